"""Text subtitles, of the source's own streams and of files beside it: packets in, cue sheets out.

A film is worth more than its subtitles: what is broken in them is left out, and a warning says so.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
from av.stream import Disposition
from cinelog_common.contract.sidecars import encode_document
from cinelog_common.languages import three_letters

from cinelog_download.children import probing
from cinelog_download.children.probing import Opened
from cinelog_download.children.sources import TEXT, Roles
from cinelog_download.children.units import Tell
from cinelog_download.domain.cuesheets import MOST_CHARS, MOST_CUES, Spoken, merged, placed, sheet_of
from cinelog_download.domain.cuetexts import SAMPLES, cue_text, payloads
from cinelog_download.domain.demuxing import DemuxOrder, TextFile, TextFound, TextPart
from cinelog_download.domain.subtitling import is_wanted
from cinelog_download.domain.webvtt import origin_s

_LONGEST_TITLE = 200
_LONGEST_HEAD = 4096
_FORMATS: Mapping[str, str] = MappingProxyType({"vtt": "webvtt", "srt": "srt", "ass": "ass", "mp4": "mov"})


class Script:
    """The cues of one track, as they come."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._spoken: list[Spoken] = []
        self._chars = 0
        self.full = False

    def add(self, packet: "av.Packet[Any]", part: TextPart | None = None) -> None:
        """Take a packet with its time, which is that of `part`, if there is one."""
        if packet.pts is None or not packet.size or (packet.duration or 0) < 0:
            return
        start = packet.pts * packet.time_base
        lasts = packet.duration * packet.time_base if packet.duration else None
        sample = bytes(packet)
        for each in payloads(sample) if self._codec == SAMPLES else [sample]:
            text = "" if self.full else cue_text(self._codec, each)
            spoken = Spoken(start, lasts, text) if text else None
            spoken = _placed(spoken, part) if spoken is not None and part is not None else spoken
            if spoken is not None:
                self._take(spoken)

    def _take(self, spoken: Spoken) -> None:
        self._chars += len(spoken.text)
        self.full = len(self._spoken) >= MOST_CUES or self._chars > MOST_CHARS
        if not self.full:
            self._spoken.append(spoken)

    def write(self, path: Path, about: TextFound, tell: Tell, zero_s: Fraction) -> bool:
        """Write the cue sheet and tell of it, unless it is empty; return whether it was.

        Raises:
            OSError: The disk is full, or fails.
        """
        sheet = sheet_of(merged(self._spoken) if self._codec == SAMPLES else self._spoken, zero_s)
        if not sheet.cues:
            return False
        path.write_bytes(encode_document(sheet))
        tell(
            TextFound(
                path=str(path),
                cues=len(sheet.cues),
                language=about.language,
                title=about.title,
                default=about.default,
                forced=about.forced,
                hearing_impaired=about.hearing_impaired,
            )
        )
        return True


class Texts:
    """The subtitle streams of a source, of which some are wanted.

    All are read: how long a container says that it is includes them.

    Attributes:
        streams: The wanted ones, in the order of the files.
        warnings: What is left out.
    """

    def __init__(self, order: DemuxOrder, opened: Sequence[Opened], *, shown: bool = True) -> None:
        """`shown` tells whether there is a picture to show them over."""
        self._folder = Path(order.folder)
        self.warnings: list[str] = []
        self._all: list[tuple[Opened, Any]] = [
            (one, stream) for one in opened for stream in one.container.streams.subtitles
        ]
        self._scripts: dict[int, Script] = {}
        if shown and order.subtitles != "none":
            self._choose(order, opened)
        self.streams: list[Any] = [self._all[at][1] for at in self._scripts]

    def _choose(self, order: DemuxOrder, opened: Sequence[Opened]) -> None:
        found = [
            at
            for at, (one, stream) in enumerate(self._all)
            if stream in one.texts and is_wanted(stream.language or "und", order.subtitles)
        ]
        used = found[: order.limits.texts]
        self._scripts = {at: Script(probing.codec_of(self._all[at][1])) for at in used}
        for one in opened:
            self.warnings += probing.left_out_texts(one.container)
        if len(found) > len(used):
            self.warnings.append(f"Of {len(found)} subtitle tracks only {len(used)} are used.")

    def roles(self, opened: Opened) -> Roles:
        """Return what the streams of one input are for."""
        return {stream.index: TEXT - at for at, (one, stream) in enumerate(self._all) if one is opened}

    def add(self, packet: "av.Packet[Any]", role: int) -> None:
        """Take the next packet of a track, on the timeline."""
        script = self._scripts.get(TEXT - role)
        if script is not None:
            script.add(packet)

    def finish(self, tell: Tell, zero_s: Fraction) -> list[str]:
        """Tell of every wanted track that says something; return warnings.

        Raises:
            OSError: The disk is full, or fails.
        """
        warnings = []
        for at, script in self._scripts.items():
            stream = self._all[at][1]
            script.write(self._folder / f"text-{at}.cues.json", _about(stream), tell, zero_s)
            warnings += [_too_long(stream.language or "und")] if script.full else []
        return warnings


def read_files(order: DemuxOrder, tell: Tell) -> list[str]:
    """Read each of the order's subtitle files, tell of those that say something; return warnings.

    Raises:
        OSError: The disk is full, or fails.
    """
    warnings = []
    for number, file in enumerate(order.texts):
        try:
            script = _read(file)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no such file"
            warnings.append(f"The subtitles in {file.title or file.language} cannot be read: {why}.")
            continue
        about = TextFound(
            path="",
            cues=0,
            language=file.language,
            title=file.title,
            forced=file.forced,
            hearing_impaired=file.hearing_impaired,
        )
        path = Path(order.folder) / f"file-{number}.cues.json"
        if not script.write(path, about, tell, _zero_of(file, Fraction(order.zero_s))):
            warnings.append(f"The subtitles in {file.title or file.language} say nothing.")
        warnings += [_too_long(file.title or file.language)] if script.full else []
    return warnings


def _read(file: TextFile) -> Script:
    if not file.parts:
        return _read_into(None, file.path, file.form)
    script: Script | None = None
    for part in file.parts:
        script = _read_into(script, part.path, file.form, part)
    assert script is not None
    return script


def _read_into(script: Script | None, path: str, form: str, part: TextPart | None = None) -> Script:
    """Add a file's cues to `script`, or to a new one; return it."""
    options = {"protocol_whitelist": "none"}
    with (
        Path(path).open("rb") as data,
        av.open(
            data, "r", format=_FORMATS[form], container_options=options, metadata_errors="replace"
        ) as found,
    ):
        # libavformat has no codec for samples of WebVTT: to it they are data, with times all the same.
        streams = found.streams.data if form == "mp4" else found.streams.subtitles
        stream: Any = next(iter(streams), None)
        if stream is None:
            raise ValueError(form)
        if script is None:
            script = Script(SAMPLES if form == "mp4" else probing.codec_of(stream))
        for packet in found.demux(stream):
            script.add(packet, part)
    return script


def _placed(spoken: Spoken, part: TextPart) -> Spoken | None:
    lasts_s = None if part.lasts_s is None else Fraction(part.lasts_s)
    return placed(spoken, origin_s=Fraction(part.origin_s), begins_s=Fraction(part.begins_s), lasts_s=lasts_s)


def _zero_of(file: TextFile, film_zero_s: Fraction) -> Fraction:
    """Return what the file's times show at the timeline's zero.

    Files count from the beginning of the film, unless they go by the clock of its transport stream;
    other containers begin at 0, whatever that clock is said to be.
    """
    if file.parts or file.form != "vtt" or film_zero_s <= 0:
        return Fraction(0)
    with Path(file.path).open(encoding="utf-8-sig", errors="replace") as text:
        origin = origin_s(text.read(_LONGEST_HEAD))
    return Fraction(0) if origin is None else film_zero_s - origin


def _about(stream: Any) -> TextFound:
    has = stream.disposition
    return TextFound(
        path="",
        cues=0,
        language=three_letters(stream.language or "und"),
        title=str(stream.metadata.get("title", ""))[:_LONGEST_TITLE],
        default=bool(has & Disposition.default),
        forced=bool(has & Disposition.forced),
        hearing_impaired=bool(has & Disposition.hearing_impaired),
    )


def _too_long(name: str) -> str:
    return f"The subtitles in {name} are too long: what follows {MOST_CUES} cues or 2 MB is left out."
