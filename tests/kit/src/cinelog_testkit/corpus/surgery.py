"""What breaks or bends a finished file: bytes cut off, flipped, replaced, numbers rewritten."""

import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

TS_PACKET = 188
_WRAP = 1 << 33
_STAMPS: dict[int, tuple[int, ...]] = {0: (), 1: (), 2: (9,), 3: (9, 14)}
"""PTS_DTS_flags of a PES header: where its timestamps lie."""
_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf"})


def ffmpeg(*arguments: str | Path) -> None:
    """Run the ffmpeg that comes with imageio-ffmpeg."""
    import imageio_ffmpeg  # type: ignore[import-untyped]

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", "-nostdin"]
    subprocess.run([*command, *map(str, arguments)], check=True)


def cut_off(source: Path, path: Path, share: float) -> Path:
    """Write the first `share` of a file."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def flipped(source: Path, path: Path, *, stretch: tuple[float, float], count: int) -> Path:
    """Write a file with `count` random bytes replaced between two shares of its length."""
    data = bytearray(source.read_bytes())
    chance = random.Random(len(data))
    first, last = (int(len(data) * share) for share in stretch)
    for _ in range(count):
        data[chance.randrange(first, last)] = chance.randrange(256)
    path.write_bytes(bytes(data))
    return path


def boxes(
    data: bytes | bytearray, start: int = 0, end: int | None = None
) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, first byte of the payload, end) of every MP4 box, those inside others too."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            size, header = struct.unpack_from(">Q", data, start + 8)[0], 16
        if size == 0:
            size = end - start
        if size < header:
            return
        yield kind, start + header, min(end, start + size)
        if kind in _CONTAINERS:
            yield from boxes(data, start + header, min(end, start + size))
        start += size


def patched(source: Path, path: Path, changes: dict[tuple[bytes, int], bytes]) -> Path:
    """Write an MP4 file with bytes replaced: by box kind (the first of it) and offset in its payload."""
    data = bytearray(source.read_bytes())
    for (kind, offset), value in changes.items():
        start = next(at for found, at, _ in boxes(data) if found == kind)
        data[start + offset : start + offset + len(value)] = value
    path.write_bytes(bytes(data))
    return path


def wrapped(source: Path, path: Path, before_s: float) -> Path:
    """Write a transport stream whose 33-bit timestamps wrap `before_s` after its start."""
    data = bytearray(source.read_bytes())
    shift = _WRAP - round(before_s * 90_000)
    for at in range(0, len(data) - TS_PACKET + 1, TS_PACKET):
        _shift_clock(data, at, shift)
        if not data[at + 1] & 0x40:
            continue
        payload = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
        if bytes(data[payload : payload + 3]) != b"\0\0\1" or data[payload + 3] < 0xBC:
            continue
        for offset in _STAMPS[data[payload + 7] >> 6]:
            _shift_stamp(data, payload + offset, shift)
    path.write_bytes(bytes(data))
    return path


def _shift_stamp(data: bytearray, at: int, shift: int) -> None:
    """ISO/IEC 13818-1 2.4.3.6: 33 bits with marker bits between them."""
    high, middle, low = data[at] >> 1 & 7, *struct.unpack_from(">HH", data, at + 1)
    value = ((high << 30 | middle >> 1 << 15 | low >> 1) + shift) % _WRAP
    data[at] = data[at] & 0xF0 | (value >> 30 & 7) << 1 | 1
    struct.pack_into(">HH", data, at + 1, (value >> 15 & 0x7FFF) << 1 | 1, (value & 0x7FFF) << 1 | 1)


def _shift_clock(data: bytearray, at: int, shift: int) -> None:
    """ISO/IEC 13818-1 2.4.3.4: the program clock reference in the adaptation field."""
    if not data[at + 3] & 0x20 or data[at + 4] < 7 or not data[at + 5] & 0x10:
        return
    clock = int.from_bytes(data[at + 6 : at + 12], "big")
    base = ((clock >> 15) + shift) % _WRAP
    data[at + 6 : at + 12] = (base << 15 | clock & 0x7FFF).to_bytes(6, "big")
