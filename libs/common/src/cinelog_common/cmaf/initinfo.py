"""What an init segment says: read back for playlists, checks and joining. Hostile bytes raise BoxError."""

import hashlib
import struct

import msgspec

from cinelog_common.cmaf.boxes import Box, BoxError, Cursor, boxes, child, descend, maybe_child
from cinelog_common.cmaf.headers import TrackHeader, language_of, rotation_of

KINDS = {b"vide": "video", b"soun": "audio", b"sbtl": "text", b"text": "chapters"}
"""What a track's handler says that it is."""
_VISUAL_BODY, _AUDIO_BODY = 78, 28


class InitInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one track.

    Attributes:
        kind: "video", "audio", "text" or "chapters".
        codec: As RFC 6381 names it.
        rotation: Degrees counter-clockwise.
        media_time: Ticks of priming that the edit list leaves out; 0 without one.
    """

    kind: str
    timescale: int
    codec: str
    width: int = 0
    height: int = 0
    sar: tuple[int, int] = (1, 1)
    rotation: int = 0
    channels: int = 0
    sample_rate: int = 0
    media_time: int = 0
    language: str = "und"


def parameter_hash(init: bytes) -> str:
    """16 hex digits: equal for segments that one decoder set-up plays.

    Of the whole init: it comes from the recipe alone, so the same recipe gives the same bytes.
    """
    return hashlib.sha256(init).hexdigest()[:16]


def codec_string(init: bytes) -> str:
    """The codec as RFC 6381 and RFC 8216 4.3.4.2 name it: "avc1.640028", "mp4a.40.2".

    Raises:
        BoxError: No sound init segment, or a codec that is not known here.
    """
    return init_info(init).codec


def init_info(init: bytes) -> InitInfo:
    """Everything a playlist or a join needs to know of a track.

    Raises:
        BoxError: No sound init segment of one track.
    """
    track = read_track(init)
    header = track.header
    cursor = Cursor(init, track.entry)
    if header.handler in {b"sbtl", b"text"}:
        return InitInfo(
            kind=KINDS[header.handler],
            timescale=header.timescale,
            codec=track.entry.kind.decode("latin-1"),
            language=header.language,
        )
    if header.handler == b"vide":
        cursor.take(24)
        width, height = cursor.uint(2), cursor.uint(2)
        return InitInfo(
            kind="video",
            timescale=header.timescale,
            codec=_visual_codec(init, track.entry),
            width=width,
            height=height,
            sar=_sar(init, track.entry),
            rotation=rotation_of(header.matrix),
            media_time=header.media_time,
            language=header.language,
        )
    cursor.take(16)
    channels, _, _, rate = (cursor.uint(size) for size in (2, 2, 4, 4))
    return InitInfo(
        kind="audio",
        timescale=header.timescale,
        codec=_sound_codec(init, track.entry),
        channels=channels,
        sample_rate=rate >> 16 or header.timescale,
        media_time=header.media_time,
        language=header.language,
    )


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an init segment that a joined MP4 takes over."""

    header: TrackHeader
    entry: Box
    stsd: bytes


def read_track(init: bytes) -> Track:
    """The one track of an init segment.

    Raises:
        BoxError: Not one track, or not one sample entry.
    """
    moov = descend(init, b"moov")
    tracks = [found for found in boxes(init, moov.body, moov.end) if found.kind == b"trak"]
    if len(tracks) != 1:
        raise BoxError(f"{len(tracks)} tracks in one init segment")
    mdia = child(init, tracks[0], b"mdia")
    stsd = child(init, child(init, child(init, mdia, b"minf"), b"stbl"), b"stsd")
    entries = list(boxes(init, stsd.body + 8, stsd.end))
    if len(entries) != 1:
        raise BoxError(f"{len(entries)} sample entries in one init segment")
    return Track(
        header=_header(init, tracks[0], mdia), entry=entries[0], stsd=bytes(init[stsd.start : stsd.end])
    )


def _header(init: bytes, trak: Box, mdia: Box) -> TrackHeader:
    mdhd = Cursor(init, child(init, mdia, b"mdhd"))
    wide = mdhd.version_and_flags()[0] == 1
    mdhd.take(16 if wide else 8)
    timescale = mdhd.uint(4)
    mdhd.take(8 if wide else 4)
    hdlr = Cursor(init, child(init, mdia, b"hdlr"))
    hdlr.take(8)
    handler = bytes(hdlr.take(4))
    tkhd = Cursor(init, child(init, trak, b"tkhd"))
    tkhd.take((36 if tkhd.version_and_flags()[0] == 1 else 24) + 12)
    *matrix, width, height = struct.unpack(">9iII", tkhd.take(44))
    if not timescale or handler not in KINDS:
        raise BoxError(f"a {handler!r} track of timescale {timescale}")
    return TrackHeader(
        handler=handler,
        timescale=timescale,
        size=(width / 0x10000, height / 0x10000),
        matrix=tuple(matrix),
        language=language_of(mdhd.uint(2)),
        media_time=_media_time(init, trak),
    )


def _media_time(init: bytes, trak: Box) -> int:
    edts = maybe_child(init, trak, b"edts")
    if edts is None:
        return 0
    elst = Cursor(init, child(init, edts, b"elst"))
    wide = elst.version_and_flags()[0] == 1
    count = elst.uint(4)
    if count != 1:
        raise BoxError(f"{count} edits in an init segment")
    elst.take(8 if wide else 4)
    time = int.from_bytes(elst.take(8 if wide else 4), "big", signed=True)
    return max(time, 0)


def _sar(init: bytes, entry: Box) -> tuple[int, int]:
    found = _configuration(init, entry, b"pasp", _VISUAL_BODY)
    if found is None or len(found) < 8:
        return (1, 1)
    return int.from_bytes(found[:4], "big") or 1, int.from_bytes(found[4:8], "big") or 1


def _configuration(init: bytes, entry: Box, kind: bytes, body: int) -> bytes | None:
    inner = Box(kind=entry.kind, start=entry.start, body=entry.body + body, end=entry.end)
    if inner.body > inner.end:
        raise BoxError(f"the {entry.kind!r} sample entry ends early")
    found = maybe_child(init, inner, kind)
    return None if found is None else bytes(init[found.body : found.end])


def _required(init: bytes, entry: Box, kind: bytes, body: int) -> bytes:
    found = _configuration(init, entry, kind, body)
    if found is None or len(found) < 4:
        raise BoxError(f"no {kind!r} box in the {entry.kind!r} sample entry")
    return found


def _visual_codec(init: bytes, entry: Box) -> str:
    name = entry.kind.decode("latin-1")
    match entry.kind:
        case b"avc1" | b"avc3":
            return f"{name}.{_required(init, entry, b'avcC', _VISUAL_BODY)[1:4].hex()}"
        case b"hvc1" | b"hev1":
            return f"{name}.{_hevc_string(_required(init, entry, b'hvcC', _VISUAL_BODY))}"
        case b"av01":
            return _av1_string(_required(init, entry, b"av1C", _VISUAL_BODY))
        case b"vp09":
            return _vp9_string(_required(init, entry, b"vpcC", _VISUAL_BODY))
        case b"mp4v":
            return f"mp4v.{_object_string(_required(init, entry, b'esds', _VISUAL_BODY))}"
        case _:
            raise BoxError(f"an unknown kind of picture: {entry.kind!r}")


def _hevc_string(record: bytes) -> str:
    """14496-15 annex E.3: profile, compatibility flags in reverse bit order, tier and level, constraints."""
    if len(record) < 13:
        raise BoxError("an hvcC record ends early")
    space = ("", "A", "B", "C")[record[1] >> 6]
    compatibility = int(f"{int.from_bytes(record[2:6], 'big'):032b}"[::-1], 2)
    tier = "H" if record[1] & 0x20 else "L"
    constraints = "".join(f".{byte:X}" for byte in record[6:12].rstrip(b"\0"))
    return f"{space}{record[1] & 31}.{compatibility:X}.{tier}{record[12]}{constraints}"


def _av1_string(record: bytes) -> str:
    """AV1-ISOBMFF 5: the short form; all optional fields at their defaults."""
    tier = "H" if record[2] & 0x80 else "M"
    depth = 12 if record[2] & 0x20 else 10 if record[2] & 0x40 else 8
    return f"av01.{record[1] >> 5}.{record[1] & 31:02d}{tier}.{depth:02d}"


def _vp9_string(record: bytes) -> str:
    """VP codec binding: the long form only where the colours are known."""
    if len(record) < 10:
        raise BoxError("a vpcC record ends early")
    profile, level, packed, *colours = record[4:10]
    short = f"vp09.{profile:02d}.{level:02d}.{packed >> 4:02d}"
    if colours == [2, 2, 2]:
        return short
    return (
        short + f".{packed >> 1 & 7:02d}" + "".join(f".{code:02d}" for code in colours) + f".{packed & 1:02d}"
    )


def _sound_codec(init: bytes, entry: Box) -> str:
    match entry.kind:
        case b"mp4a":
            return f"mp4a.{_object_string(_required(init, entry, b'esds', _AUDIO_BODY))}"
        case b"ac-3" | b"ec-3" | b"alac":
            return entry.kind.decode()
        case b"Opus" | b"fLaC":
            # RFC 6381 wants the four letters as they are, but browsers only know these.
            return entry.kind.decode().lower()
        case _:
            raise BoxError(f"an unknown kind of sound: {entry.kind!r}")


def _object_string(esds: bytes) -> str:
    """RFC 6381 3.3: the object type, and for AAC and MPEG-4 video what its own header says."""
    object_type, specific = _decoder_config(esds)
    if object_type == 0x40 and specific:
        kind = specific[0] >> 3
        return f"40.{32 + (int.from_bytes(specific[:2], 'big') >> 5 & 63) if kind == 31 else kind}"
    if object_type == 0x20 and (at := specific.find(b"\0\0\1\xb0")) >= 0 and at + 4 < len(specific):
        return f"20.{specific[at + 4]:d}"
    return f"{object_type:02X}"


def _decoder_config(esds: bytes) -> tuple[int, bytes]:
    body, _ = _open_descriptor(esds[4:], 3)
    if len(body) < 3:
        raise BoxError("an esds box ends early")
    flags = body[2]
    skip = 3 + (2 if flags & 0x80 else 0) + (1 + body[3] if flags & 0x40 and len(body) > 3 else 0)
    config, _ = _open_descriptor(body[skip + (2 if flags & 0x20 else 0) :], 4)
    if len(config) < 13:
        raise BoxError("an esds box ends early")
    specific = _open_descriptor(config[13:], 5)[0] if config[13:14] == b"\5" else b""
    return config[0], specific


def _open_descriptor(data: bytes, tag: int) -> tuple[bytes, bytes]:
    size, position = 0, 1
    while position < min(len(data), 5):
        byte = data[position]
        size = size << 7 | byte & 0x7F
        position += 1
        if not byte & 0x80:
            break
    if data[:1] != bytes((tag,)) or position + size > len(data):
        raise BoxError(f"an esds box without its descriptor {tag}")
    return data[position : position + size], data[position + size :]
