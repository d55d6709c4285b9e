"""Turns a joined MP4 with one sound into an MP3 or an Opus file, without re-encoding.

Needs PyAV; runs in a child process. What the encoder put before the first sample and behind the last
one is said in the file's own way, so that players leave it out and albums play without gaps.
"""

import base64
import io
import struct
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from cinelog_common.cmaf.movietables import read_movie
from cinelog_common.errors import Category, PermanentError

FORMATS = {".mp3": ("mp3", "mp3"), ".opus": ("opus", "ogg")}
"""By suffix: the codec that the file holds, and libavformat's name of the container."""
_PNG = b"\x89PNG"
_INFO_DELAY, _INFO_CRC, _SUMMED_BYTES = 141, 154, 190
"""Where LAME's tag has its delays and its checksum, counted from "Info"; what of the frame is summed."""
_FRONT_COVER = 3
_MOST_PIXELS = 50_000_000


def write_sound(mp4_path: Path, out_path: Path, *, cover: bytes = b"") -> None:
    """Copy the sound of `mp4_path` and what is said of it into `out_path`, in the form of its suffix.

    The file appears whole or not at all.

    Raises:
        PermanentError: A codec that the form does not hold, or a file that cannot be read or written.
    """
    part = out_path.with_name(f".{out_path.name}.part")
    try:
        _copy(mp4_path, part, out_path.suffix, cover)
        if out_path.suffix == ".mp3":
            _say_padding(part, _heard(mp4_path))
        part.replace(out_path)
    except (av.FFmpegError, OSError) as error:
        raise PermanentError(
            f"{out_path.name} cannot be written: {error.strerror}.",
            category=Category.NOT_WRITABLE,
            action="Check the folder and the space left.",
        ) from error
    finally:
        part.unlink(missing_ok=True)


def is_picture(data: bytes) -> bool:
    """Tell whether `data` is a JPEG or PNG that can be decoded and is of a sane size."""
    try:
        with av.open(io.BytesIO(data), "r", format=_form(data)) as picture:
            context = picture.streams.video[0].codec_context
            if not 0 < context.width * context.height <= _MOST_PIXELS:
                return False
            return next(iter(picture.decode(video=0)), None) is not None
    except (av.FFmpegError, IndexError):
        return False


def _form(cover: bytes) -> str:
    return "png_pipe" if cover.startswith(_PNG) else "jpeg_pipe"


def _copy(source: Path, target: Path, suffix: str, cover: bytes) -> None:
    codec, form = FORMATS[suffix]
    heard = _heard(source)
    with av.open(source) as film:
        sound = film.streams.audio[0]
        name = sound.codec_context.codec.canonical_name
        if name != codec:
            raise PermanentError(
                f"A {suffix[1:]} file holds no {name}.",
                category=Category.UNSUPPORTED_MEDIA,
                action="Choose another format for the sound.",
            )
        with av.open(target, "w", format=form, options={"fflags": "+bitexact"}) as out:
            _describe(out, film, cover if form == "ogg" else b"")
            copy = out.add_stream_from_template(sound, opaque=True)
            if cover and form == "mp3":
                _attach(out, cover)
            for packet in film.demux(sound):
                if packet.size and packet.pts is not None:
                    # Ogg says where the sound ends by the last packet's length.
                    packet.duration = max(1, min(packet.duration or 1, heard - packet.pts))
                    packet.stream = copy
                    out.mux(packet)


def _describe(out: Any, film: Any, cover: bytes) -> None:
    left = {"major_brand", "minor_version", "compatible_brands", "encoder"}
    out.metadata.update({key: value for key, value in film.metadata.items() if key not in left})
    out.set_chapters(film.chapters())
    if cover:
        out.metadata["METADATA_BLOCK_PICTURE"] = base64.b64encode(_picture_block(cover)).decode()


def _attach(out: Any, cover: bytes) -> None:
    with av.open(io.BytesIO(cover), "r", format=_form(cover)) as picture:
        stream = out.add_stream_from_template(picture.streams.video[0], opaque=True)
        stream.disposition = Disposition.attached_pic
        packet = next(iter(picture.demux(video=0)))
        packet.stream = stream
        out.mux(packet)


def _picture_block(cover: bytes) -> bytes:
    """A picture as FLAC and Vorbis comments hold it (FLAC format, METADATA_BLOCK_PICTURE)."""
    mime = b"image/png" if cover.startswith(_PNG) else b"image/jpeg"
    # Width, height, depth and colours may be left to the picture itself.
    head = struct.pack(">II", _FRONT_COVER, len(mime)) + mime + struct.pack(">I", 0)
    return head + struct.pack(">5I", 0, 0, 0, 0, len(cover)) + cover


def _heard(mp4: Path) -> int:
    """How many samples of the sound are to be heard."""
    movie = read_movie(mp4)
    track = next(one for one in movie.tracks if one.handler == b"soun")
    shown = [duration for duration, time in track.edits if time >= 0]
    return shown[0] * track.timescale // movie.timescale if shown else sum(track.durations)


def _say_padding(path: Path, heard: int) -> None:
    """Complete LAME's tag: libavformat leaves out what was filled up behind the last sample."""
    with path.open("r+b") as file:
        head = file.read(1 << 20)
        at = max(head.find(b"Info"), head.find(b"Xing"))
        frame = head.rfind(b"\xff", 0, at) if at > 0 else -1
        if frame < 0 or len(head) < at + _INFO_CRC + 2:
            return
        delay = int.from_bytes(head[at + _INFO_DELAY : at + _INFO_DELAY + 3], "big") >> 12
        frames = int.from_bytes(head[at + 8 : at + 12], "big")
        samples = 1152 if head[frame + 1] & 0x08 else 576
        padding = frames * samples - delay - heard
        if not 0 <= padding < 1 << 12:
            return
        tag = bytearray(head[frame : frame + max(_SUMMED_BYTES, at - frame + _INFO_CRC + 2)])
        own = at - frame
        tag[own + _INFO_DELAY : own + _INFO_DELAY + 3] = (delay << 12 | padding).to_bytes(3, "big")
        tag[own + _INFO_CRC : own + _INFO_CRC + 2] = _crc(bytes(tag[:_SUMMED_BYTES])).to_bytes(2, "big")
        file.seek(frame)
        file.write(tag)


def _crc(data: bytes) -> int:
    """CRC-16 with the polynomial 0x8005, reflected: what LAME's tag is summed with."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value
