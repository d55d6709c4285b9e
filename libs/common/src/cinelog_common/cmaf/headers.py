"""The boxes around a sample entry: what an init segment and an MP4 say about a track.

Nothing here depends on when or where it runs: creation times are zero, so that one recipe always
gives the same bytes.
"""

import re
import struct

import msgspec

from cinelog_common.cmaf.boxes import BoxError, box, full_box

UNSPECIFIED = 2
"""The code point of ISO/IEC 23091-2 for an unknown primary, transfer or matrix."""

_NAMES = {
    b"vide": b"VideoHandler\0",
    b"soun": b"SoundHandler\0",
    b"sbtl": b"SubtitleHandler\0",
    b"text": b"ChapterHandler\0",
}
_UNITY = (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


class Mastering(msgspec.Struct, frozen=True, kw_only=True):
    """The display a film was mastered on (SMPTE ST 2086), as mdcv holds it.

    Attributes:
        primaries: x and y of green, blue and red, in units of 0.00002.
        white: x and y of the white point, in units of 0.00002.
        luminance: Highest and lowest, in units of 0.0001 cd/m².
    """

    primaries: tuple[int, int, int, int, int, int]
    white: tuple[int, int]
    luminance: tuple[int, int]


class LightLevel(msgspec.Struct, frozen=True, kw_only=True):
    """The brightest pixel and the brightest frame average, in cd/m² (CTA-861.3), as clli holds it."""

    max_content: int
    max_average: int


class VideoPresentation(msgspec.Struct, frozen=True, kw_only=True):
    """How the pictures of a track are to be shown.

    Attributes:
        width: Coded pixels.
        height: Coded pixels.
        sar: Sample aspect ratio.
        rotation: Degrees counter-clockwise, a multiple of 90, as PyAV's `VideoFrame.rotation`.
        primaries: Code point of ISO/IEC 23091-2; as are `transfer` and `matrix`.
        full_range: Whether 0 and 255 mean black and white.
        language: ISO 639-2/T, three letters.
    """

    width: int
    height: int
    sar: tuple[int, int] = (1, 1)
    rotation: int = 0
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    full_range: bool = False
    mastering: Mastering | None = None
    light_level: LightLevel | None = None
    language: str = "und"


class TrackHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What tkhd, mdhd and the edit list say.

    Attributes:
        handler: b"vide", b"soun", or for text b"sbtl" (subtitles) or b"text" (chapters).
        size: Width and height to show, before rotation; (0, 0) for sound.
        media_time: Ticks of the media that come before what is heard: the encoder's priming.
        enabled: Whether players show the track unless asked for another.
    """

    handler: bytes
    timescale: int
    size: tuple[float, float] = (0, 0)
    matrix: tuple[int, ...] = _UNITY
    language: str = "und"
    media_time: int = 0
    enabled: bool = True


def init_segment(header: TrackHeader, entry: bytes) -> bytes:
    """ftyp and moov of one track whose samples come in fragments (14496-12 8.8, 23000-19 7.3.1)."""
    # cmf2 (23000-19 7.2) promises signed composition offsets; iso6 default-base-is-moof and tfdt.
    ftyp = box(b"ftyp", b"iso6", bytes(4), b"iso6cmfccmf2dashmp41")
    empty = [
        full_box(kind, 0, 0, bytes(count))
        for kind, count in ((b"stts", 4), (b"stsc", 4), (b"stsz", 8), (b"stco", 4))
    ]
    stbl = box(b"stbl", full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry), *empty)
    edits = box(b"edts", edit_list([(0, header.media_time)])) if header.media_time else b""
    trak = box(b"trak", track_header(header, track_id=1, duration=0), edits, media(header, 0, stbl))
    # 8.8.3: the defaults say "sync sample"; every fragment of ours overrides them.
    trex = full_box(b"trex", 0, 0, struct.pack(">5I", 1, 1, 0, 0, 0))
    moov = box(b"moov", movie_header(header.timescale, 0, next_track=2), trak, box(b"mvex", trex))
    return ftyp + moov


def movie_header(timescale: int, duration: int, *, next_track: int) -> bytes:
    """mvhd (8.2.2); 64 bits wide only where needed, since some players know the narrow one only."""
    version, times = _times(duration, ">{0}{0}I{0}", 0, 0, timescale, duration)
    tail = struct.pack(">iH10x9i24xI", 0x10000, 0x100, *_UNITY, next_track)
    return full_box(b"mvhd", version, 0, times, tail)


def track_header(header: TrackHeader, *, track_id: int, duration: int) -> bytes:
    """tkhd (8.3.2), in the movie (flag 2) and, if so, enabled (1); `duration` in ticks of the movie."""
    version, times = _times(duration, ">{0}{0}I4x{0}", 0, 0, track_id, duration)
    volume = 0x100 if header.handler == b"soun" else 0
    # 8.3.2.3: sounds are alternatives of each other (group 1), as subtitles are (2); pictures stand alone.
    group = {b"soun": 1, b"sbtl": 2}.get(header.handler, 0)
    size = [round(length * 0x10000) for length in header.size]
    tail = struct.pack(">8xhhHxx9iII", 0, group, volume, *header.matrix, *size)
    return full_box(b"tkhd", version, 2 | header.enabled, times, tail)


def media(header: TrackHeader, duration: int, stbl: bytes) -> bytes:
    """mdia (8.4) around a sample table; `duration` in ticks of the track."""
    version, times = _times(duration, ">{0}{0}I{0}", 0, 0, header.timescale, duration)
    mdhd = full_box(b"mdhd", version, 0, times, language_code(header.language), bytes(2))
    name = _NAMES[header.handler]
    hdlr = full_box(b"hdlr", 0, 0, bytes(4), header.handler, bytes(12), name)
    kind = _media_header(header.handler)
    # 8.7.2: one reference, flag 1: the media are in this file.
    dref = full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))
    return box(b"mdia", mdhd, hdlr, box(b"minf", kind, box(b"dinf", dref), stbl))


def _media_header(handler: bytes) -> bytes:
    """What minf begins with (8.4.5): vmhd, smhd, nmhd for subtitles, and QuickTime's gmhd for chapters."""
    match handler:
        case b"vide":
            return full_box(b"vmhd", 0, 1, bytes(8))
        case b"soun":
            return full_box(b"smhd", 0, 0, bytes(4))
        case b"text":
            graphics = full_box(b"gmin", 0, 0, struct.pack(">HHHHhH", 0x40, 0x8000, 0x8000, 0x8000, 0, 0))
            matrix = struct.pack(">HIIIIIIIIH", 1, 0, 0, 0, 1, 0, 0, 0, 0x4000, 0)
            return box(b"gmhd", graphics, box(b"text", matrix))
        case _:
            return full_box(b"nmhd", 0, 0)


def edit_list(edits: list[tuple[int, int]]) -> bytes:
    """elst (8.6.6) of (duration in movie ticks, media time in track ticks or -1 for empty)."""
    wide = any(duration > 0xFFFFFFFF or time > 0x7FFFFFFF for duration, time in edits)
    rows = [struct.pack(">QqI" if wide else ">IiI", duration, time, 0x10000) for duration, time in edits]
    return full_box(b"elst", int(wide), 0, struct.pack(">I", len(edits)), *rows)


def _times(duration: int, form: str, *values: int) -> tuple[int, bytes]:
    wide = duration > 0xFFFFFFFF
    return int(wide), struct.pack(form.format("Q" if wide else "I"), *values)


def language_code(language: str) -> bytes:
    """Three letters as three times five bits (8.4.2.3); what is no such code becomes "und"."""
    letters = language if re.fullmatch("[a-z]{3}", language) else "und"
    first, second, third = (ord(letter) - 0x60 for letter in letters)
    return (first << 10 | second << 5 | third).to_bytes(2, "big")


def language_of(code: int) -> str:
    """The three letters of a packed code."""
    return "".join(chr((code >> shift & 31) + 0x60) for shift in (10, 5, 0))


def rotation_matrix(rotation: int, size: tuple[float, float]) -> tuple[int, ...]:
    """The tkhd matrix (8.3.2) that turns by `rotation` degrees counter-clockwise.

    The translation keeps the turned picture in the visible quadrant, as cameras write it.
    """
    width, height = (round(length * 0x10000) for length in size)
    turns: dict[int, tuple[int, int, int, int, int, int]] = {
        0: (1, 0, 0, 1, 0, 0),
        90: (0, -1, 1, 0, 0, width),
        180: (-1, 0, 0, -1, width, height),
        270: (0, 1, -1, 0, height, 0),
    }
    if rotation % 360 not in turns:
        raise BoxError(f"a rotation by {rotation} degrees cannot be said without re-encoding")
    a, b, c, d, x, y = turns[rotation % 360]
    one = 0x10000
    return (a * one, b * one, 0, c * one, d * one, 0, x, y, 0x40000000)


def rotation_of(matrix: tuple[int, ...]) -> int:
    """The counter-clockwise rotation of a tkhd matrix: 0, 90, 180 or 270."""
    signs = [(matrix[at] > 0) - (matrix[at] < 0) for at in (0, 1, 3, 4)]
    turns: dict[tuple[int, ...], int] = {(0, -1, 1, 0): 90, (-1, 0, 0, -1): 180, (0, 1, -1, 0): 270}
    return turns.get(tuple(signs), 0)


def visual_entry(kind: bytes, show: VideoPresentation, configuration: bytes) -> bytes:
    """A VisualSampleEntry (12.1.3) with pixel aspect, colours and HDR levels."""
    head = struct.pack(">6xH16xHHIIIH32xHh", 1, show.width, show.height, 0x480000, 0x480000, 0, 1, 24, -1)
    parts = [head, configuration, box(b"pasp", struct.pack(">II", *show.sar))]
    if (show.primaries, show.transfer, show.matrix) != (UNSPECIFIED,) * 3 or show.full_range:
        colours = struct.pack(
            ">4sHHHB", b"nclx", show.primaries, show.transfer, show.matrix, show.full_range << 7
        )
        parts.append(box(b"colr", colours))
    if show.mastering is not None:
        values = (*show.mastering.primaries, *show.mastering.white, *show.mastering.luminance)
        parts.append(box(b"mdcv", struct.pack(">8HII", *values)))
    if show.light_level is not None:
        level = show.light_level
        parts.append(box(b"clli", struct.pack(">HH", level.max_content, level.max_average)))
    return box(kind, *parts)


def audio_entry(kind: bytes, *, channels: int, sample_rate: int, configuration: bytes) -> bytes:
    """An AudioSampleEntry (12.2.3); a rate above its 16 bits is left to the codec's own box."""
    rate = sample_rate << 16 if sample_rate <= 0xFFFF else 0
    return box(kind, struct.pack(">6xH8xHHHHI", 1, channels, 16, 0, 0, rate), configuration)
