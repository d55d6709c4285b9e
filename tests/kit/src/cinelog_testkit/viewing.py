"""What a viewer would see and hear: every picture with its number and time, every click.

Files are decoded by libavformat. HLS is read by our own fragment reader,
because libavformat shows fragments with signed composition offsets late.
"""

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import msgspec
from av.packet import Packet
from av.stream import Disposition
from cinelog_common.cmaf.fragments import read_fragment
from cinelog_common.cmaf.hlsparsing import attributes, parse_playlist, unquoted
from cinelog_common.cmaf.hlsvalidation import validate
from cinelog_common.cmaf.testing import number_in

_LOUD = 0.3
_SOFTWARE = {"av1": "libdav1d"}
"""FFmpeg's decoder of this name wants hardware."""


class Picture(msgspec.Struct, frozen=True):
    """One picture: when it is shown, and the number painted into it."""

    at: Fraction
    number: int


class Viewing(msgspec.Struct, frozen=True, kw_only=True):
    """All that a film shows; times in seconds from its zero."""

    pictures: tuple[Picture, ...] = ()
    size: tuple[int, int] = (0, 0)
    rotation: int = 0
    codec: str = ""
    clicks_s: tuple[float, ...] = ()
    sound: str = ""
    channels: int = 0
    sound_s: float = 0.0

    @property
    def numbers(self) -> list[int]:
        """The numbers in the pictures, in the order they are shown."""
        return [picture.number for picture in self.pictures]

    @property
    def times(self) -> list[Fraction]:
        """When each picture is shown, counted from the first."""
        return [picture.at - self.pictures[0].at for picture in self.pictures]


def view(path: Path) -> Viewing:
    """Decode a whole file."""
    viewing = Viewing()
    with av.open(str(path)) as container:
        if any(not stream.disposition & Disposition.attached_pic for stream in container.streams.video):
            viewing = _seen(container, viewing)
    with av.open(str(path)) as container:
        return _heard(container, viewing) if container.streams.audio else viewing


def _seen(container: Any, viewing: Viewing) -> Viewing:
    stream = container.streams.video[0]
    stream.thread_count = 1
    pictures = []
    rotation = 0
    for frame in container.decode(stream):
        assert not frame.is_corrupt, f"a broken picture at {frame.time} s"
        rotation = frame.rotation
        pictures.append(Picture(frame.pts * frame.time_base, number_in(frame)))
    return msgspec.structs.replace(
        viewing,
        pictures=tuple(pictures),
        size=(stream.width, stream.height),
        rotation=rotation % 360,
        codec=stream.codec_context.codec.canonical_name,
    )


def _heard(container: Any, viewing: Viewing) -> Viewing:
    stream = container.streams.audio[0]
    found: list[float] = []
    end = 0.0
    for frame in container.decode(stream):
        begin = float(frame.pts * frame.time_base)
        end = begin + frame.samples / frame.sample_rate
        for at in _loud(frame):
            second = begin + at / frame.sample_rate
            if not found or second - found[-1] > 0.1:
                found.append(second)
    return msgspec.structs.replace(
        viewing,
        clicks_s=tuple(found),
        sound=stream.codec_context.codec.canonical_name,
        channels=stream.codec_context.channels,
        sound_s=end,
    )


def _loud(frame: Any) -> Iterator[int]:
    planar = frame if frame.format.name == "fltp" else _planar(frame)
    values = memoryview(planar.planes[0]).cast("B").cast("f")[: frame.samples]
    if max(values) >= _LOUD:
        yield next(index for index, value in enumerate(values) if value >= _LOUD)


def _planar(frame: Any) -> Any:
    return av.AudioResampler(format="fltp", layout=frame.layout, rate=frame.sample_rate).resample(frame)[0]


def variants(master: Path) -> list[Path]:
    """Return the media playlists of the pictures that `master` names, in its order.

    Raises:
        AssertionError: A playlist breaks RFC 8216.
    """
    playlists = {path.name: path.read_text() for path in master.parent.glob("*.m3u8")}
    assert validate(playlists) == []
    return [master.parent / entry.uri for entry in parse_playlist(playlists[master.name]).entries]


def view_hls(master: Path, variant: int = 0) -> Viewing:
    """Decode one variant of a multivariant playlist, with its sound."""
    viewing = _seen_hls(variants(master)[variant])
    parsed = parse_playlist(master.read_text())
    tags = [*parsed.trailing, *(tag for entry in parsed.entries for tag in entry.tags)]
    groups = [attributes(tag) for tag in tags if tag.name == "EXT-X-MEDIA"]
    if not groups:
        return viewing
    init, segments = pieces(master.parent / unquoted(groups[0].get("URI")))
    with av.open(io.BytesIO(init.read_bytes() + b"".join(each.read_bytes() for each in segments))) as sound:
        return _heard(sound, viewing)


def pieces(playlist: Path) -> tuple[Path, list[Path]]:
    """Return the init segment and the segments of a media playlist."""
    parsed = parse_playlist(playlist.read_text())
    maps = [attributes(tag) for entry in parsed.entries for tag in entry.tags if tag.name == "EXT-X-MAP"]
    (init,) = {unquoted(found.get("URI")) for found in maps}
    return playlist.parent / init, [playlist.parent / entry.uri for entry in parsed.entries]


def _seen_hls(playlist: Path) -> Viewing:
    init, segments = pieces(playlist)
    with av.open(io.BytesIO(init.read_bytes())) as container:
        stream = container.streams.video[0]
        codec, base = stream.codec_context, stream.time_base
        size = (stream.width, stream.height)
        name, extradata = codec.codec.canonical_name, codec.extradata
    assert base is not None
    decoder: Any = av.CodecContext.create(_SOFTWARE.get(name, name), "r")
    decoder.extradata, decoder.thread_count = extradata, 1
    pictures = []
    for packet in [*(each for segment in segments for each in _packets(segment.read_bytes(), base)), None]:
        for frame in decoder.decode(packet):
            assert not frame.is_corrupt
            pictures.append(Picture(frame.pts * base, number_in(frame)))
    pictures.sort(key=lambda picture: picture.at)
    return Viewing(pictures=tuple(pictures), size=size, codec=name)


def _packets(fragment: bytes, base: Fraction) -> "Iterator[Packet[Any]]":
    told = read_fragment(fragment)
    at, time = told.mdat_offset, told.base_time
    for sample in told.samples:
        packet: Packet[Any] = Packet(fragment[at : at + sample.size])
        packet.pts, packet.dts, packet.time_base = time + sample.composition_offset, time, base
        yield packet
        at += sample.size
        time += sample.duration
