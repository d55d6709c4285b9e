"""A static DASH manifest (ISO/IEC 23009-1, MPD) over the CMAF segments of HLS playlists: a pure writer.

Segments are named one by one (SegmentList), since their names hold more than a number, and timed
by a SegmentTimeline, since they last as long as their pictures. Times are presentation times: an
init segment's edit list has taken the priming of sound away (23009-1, 5.3.9.6), so there is no
presentationTimeOffset.
"""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import groupby
from xml.etree import ElementTree as ET

import msgspec

from cinelog_common.cmaf.playlists import PlaylistError

_NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
_PROFILE = "urn:mpeg:dash:profile:isoff-main:2011"
"""isoff-live allows segment templates only."""
_CHANNELS = "urn:mpeg:mpegB:cicp:ChannelConfiguration"
_CHANNEL_CONFIGURATIONS = {7: 11, 8: 12}
"""ITU-T H.273, ChannelConfiguration of 6.1 and 7.1; up to 5.1 it is the number of channels."""
_TRANSFER = "urn:mpeg:mpegB:cicp:TransferCharacteristics"
_ROLE = "urn:mpeg:dash:role:2011"


class DashSegment(msgspec.Struct, frozen=True, kw_only=True):
    """One segment: where it lies, when it is presented (ticks), and its bytes."""

    uri: str
    start: int
    end: int
    size_bytes: int


class Representation(msgspec.Struct, frozen=True, kw_only=True):
    """One rendition of the picture, or one sound track.

    Attributes:
        name: Unique in the manifest, without spaces.
        kind: "video" or "audio".
        codec: As RFC 6381 names it.
        init: URI of the init segment.
        timescale: Ticks a second of the segments' times.
        width: Pixels as shown, before they are stretched to `sar`; 0 for sound.
        frame_rate: 0 if unknown, or for sound.
        transfer: ITU-T H.273; 16 and 18 make a high dynamic range.
        language: RFC 5646; empty where unknown.
    """

    name: str
    kind: str
    codec: str
    init: str
    timescale: int
    segments: Sequence[DashSegment]
    width: int = 0
    height: int = 0
    sar: tuple[int, int] = (1, 1)
    frame_rate: Fraction = Fraction(0)
    transfer: int = 2
    language: str = ""
    channels: int = 0
    sample_rate: int = 0

    @property
    def bandwidth(self) -> int:
        """Bits a second at which no segment is late, once the longest one's length is buffered (5.3.5.2)."""
        rates = (Fraction(one.size_bytes * 8 * self.timescale, one.end - one.start) for one in self.segments)
        return max(1, math.ceil(max(rates)))


def write_manifest(representations: Sequence[Representation]) -> str:
    """The text of a static MPD: one adaptation set for the pictures, one for each sound track.

    Raises:
        PlaylistError: Nothing to play, or segments that overlap or last no time.
    """
    if not representations:
        raise PlaylistError("There is nothing to play.")
    for one in representations:
        _check(one)
    longest = max(_seconds(one, s.end - s.start) for one in representations for s in one.segments)
    until = max(_seconds(one, one.segments[-1].end) for one in representations)
    root = ET.Element(
        "MPD",
        {
            "xmlns": _NAMESPACE,
            "profiles": _PROFILE,
            "type": "static",
            "mediaPresentationDuration": _duration(until),
            "minBufferTime": _duration(longest),
            "maxSegmentDuration": _duration(longest),
        },
    )
    period = ET.SubElement(root, "Period", {"id": "0", "start": "PT0S", "duration": _duration(until)})
    for number, members in enumerate(_adaptation_sets(representations)):
        _write_set(period, number, members, first=members[0] is _first(representations, members[0].kind))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _check(one: Representation) -> None:
    if not one.segments:
        raise PlaylistError(f"{one.name} has no segments.")
    before = 0
    for segment in one.segments:
        if segment.start < before or segment.end <= segment.start:
            raise PlaylistError(
                f"{segment.uri} lasts from {segment.start} to {segment.end}, what is before it to {before}."
            )
        before = segment.end


def _adaptation_sets(representations: Iterable[Representation]) -> list[list[Representation]]:
    """Group what a player may switch between: the sizes of the picture; sound never by itself (5.3.3.1)."""
    pictures = [one for one in representations if one.kind == "video"]
    # Within a set, codecs switch only if they are of one kind.
    sets = [list(group) for _, group in groupby(pictures, key=lambda one: one.codec.partition(".")[0])]
    return sets + [[one] for one in representations if one.kind != "video"]


def _first(representations: Sequence[Representation], kind: str) -> Representation:
    return next(one for one in representations if one.kind == kind)


def _write_set(period: ET.Element, number: int, members: Sequence[Representation], *, first: bool) -> None:
    lead = members[0]
    attributes = {
        "id": str(number),
        "contentType": lead.kind,
        "mimeType": f"{lead.kind}/mp4",
        "segmentAlignment": "true",
        # Every segment begins with a picture that needs none before it; sound samples always do.
        "startWithSAP": "1",
    }
    if lead.language:
        attributes["lang"] = lead.language
    if lead.kind == "video":
        attributes["maxWidth"] = str(max(one.width for one in members))
        attributes["maxHeight"] = str(max(one.height for one in members))
    element = ET.SubElement(period, "AdaptationSet", attributes)
    if lead.transfer in {16, 18}:
        _descriptor(element, "SupplementalProperty", _TRANSFER, lead.transfer)
    _descriptor(element, "Role", _ROLE, "main" if first else "alternate")
    for one in members:
        _write_representation(element, one)


def _descriptor(parent: ET.Element, name: str, scheme: str, value: str | int) -> None:
    ET.SubElement(parent, name, {"schemeIdUri": scheme, "value": str(value)})


def _write_representation(parent: ET.Element, one: Representation) -> None:
    attributes = {"id": one.name, "codecs": one.codec, "bandwidth": str(one.bandwidth)}
    if one.kind == "video":
        attributes |= {
            "width": str(one.width),
            "height": str(one.height),
            "sar": f"{one.sar[0]}:{one.sar[1]}",
        }
        if one.frame_rate > 0:
            attributes["frameRate"] = str(one.frame_rate)
    elif one.sample_rate:
        attributes["audioSamplingRate"] = str(one.sample_rate)
    element = ET.SubElement(parent, "Representation", attributes)
    if one.channels:
        configuration = _CHANNEL_CONFIGURATIONS.get(one.channels, one.channels)
        _descriptor(element, "AudioChannelConfiguration", _CHANNELS, configuration)
    listed = ET.SubElement(element, "SegmentList", {"timescale": str(one.timescale)})
    ET.SubElement(listed, "Initialization", {"sourceURL": one.init})
    timeline = ET.SubElement(listed, "SegmentTimeline")
    # Never @r: dash.js (5.2.1, its pull request 5133) takes the address for an S from that S's place in
    # the timeline, so it plays the first of equal segments again and again and never gets to the last.
    for segment in one.segments:
        length = segment.end - segment.start
        ET.SubElement(timeline, "S", {"t": str(segment.start), "d": str(length)})
    for segment in one.segments:
        ET.SubElement(listed, "SegmentURL", {"media": segment.uri})


def _seconds(one: Representation, ticks: int) -> Fraction:
    return Fraction(ticks, one.timescale)


def _duration(seconds: Fraction) -> str:
    """An xs:duration, rounded up: a film never lasts longer than it says."""
    milliseconds = math.ceil(seconds * 1000)
    return f"PT{milliseconds // 1000}.{milliseconds % 1000:03d}S"
