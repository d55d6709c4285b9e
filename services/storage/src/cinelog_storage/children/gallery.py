"""Makes the poster and the sprite sheet, in a process that may be killed.

Run as a child: one JSON order in, one JSON answer out.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, cast

import av
import msgspec
from av.codec.context import CodecContext
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from cinelog_common.child_channel import Send, serve
from cinelog_fastio import BundleError, BundleReader, Packet

from cinelog_storage.domain.gallery import (
    COLUMNS,
    TILE_WIDTH,
    Candidate,
    chosen_tiles,
    layout,
    poster_index,
    webvtt,
)
from cinelog_storage.ports import Gallery, GalleryAnswer, GalleryOrder

POSTER, SPRITE, VTT = "poster.jpg", "sprite.jpg", "sprite.vtt"
_LUMA = "cinelog.luma"
_QUALITY = 5
"""libavcodec's scale for JPEG, 2 to 31."""
_WIDEST = 4096
"""Pixels of a side; transcode makes far smaller ones."""

_MOST_PICTURES = 200_000
"""Four days of film; what comes after them has no tile."""


class BrokenPictureError(Exception):
    """A picture that transcode never made."""


class _Picture(msgspec.Struct, frozen=True, kw_only=True):
    """Where one JPEG lies, when it is shown and how it looks; not its bytes: hours of film have thousands."""

    bundle: str
    number: int
    candidate: Candidate


def handle(payload: bytes, send: Send) -> None:
    """Answer one order."""
    order = msgspec.json.decode(payload, type=GalleryOrder)
    try:
        answer = GalleryAnswer(gallery=make(order))
    except (BundleError, BrokenPictureError, av.FFmpegError, msgspec.DecodeError) as error:
        answer = GalleryAnswer(broken=str(error))
    send(msgspec.json.encode(answer))


def make(order: GalleryOrder) -> Gallery:
    """Write poster, sprite sheet and its WebVTT file into the order's folder.

    Reads the bundles twice: once to choose, once for the hundred pictures that were chosen.

    Raises:
        BundleError: A bundle is damaged.
        BrokenPictureError: A picture cannot be decoded, or is not a small one.
    """
    pictures = [*islice((picture for name in order.bundles for picture in _listed(name)), _MOST_PICTURES)]
    pictures.sort(key=lambda picture: picture.candidate.at_s)
    index = poster_index([picture.candidate for picture in pictures])
    if index is None:
        return Gallery()
    shown = [pictures[number] for number in chosen_tiles(len(pictures))]
    data = _read([pictures[index], *shown])
    folder = Path(order.folder)
    (folder / POSTER).write_bytes(data[0])
    poster = _decode(data[0])
    sheet, tile = _sheet(data[1:])
    (folder / SPRITE).write_bytes(sheet)
    tiles = layout([picture.candidate.at_s for picture in shown], tile=tile, duration_s=order.duration_s)
    (folder / VTT).write_text(webvtt(tiles, tile=tile, image=SPRITE))
    return Gallery(poster=POSTER, sprite=SPRITE, vtt=VTT, width=poster.width, height=poster.height)


def _listed(name: str) -> Iterator[_Picture]:
    with BundleReader.open(name) as reader:
        for number, packet in enumerate(reader):
            yield _Picture(
                bundle=name, number=number, candidate=_candidate(packet, reader.parameters.time_base)
            )


def _candidate(packet: Packet, time_base: tuple[int, int]) -> Candidate:
    luma = next((data for kind, data in packet.side_data if kind == _LUMA), b"{}")
    facts = msgspec.json.decode(luma, type=dict[str, float])
    return Candidate(
        at_s=float(Fraction((packet.pts or 0) * time_base[0], time_base[1])),
        mean=facts.get("mean", 128.0),
        variance=facts.get("variance", 1000.0),
    )


def _read(chosen: Sequence[_Picture]) -> list[bytes]:
    """Return the bytes of the chosen pictures, in their order; each bundle is opened once."""
    wanted: defaultdict[str, set[int]] = defaultdict(set)
    for picture in chosen:
        wanted[picture.bundle].add(picture.number)
    found = {
        (name, number): packet.data
        for name, numbers in wanted.items()
        for number, packet in _packets(name)
        if number in numbers
    }
    return [found[picture.bundle, picture.number] for picture in chosen]


def _packets(name: str) -> Iterator[tuple[int, Packet]]:
    with BundleReader.open(name) as reader:
        yield from enumerate(reader)


def _decode(data: bytes) -> VideoFrame:
    decoder = CodecContext.create("mjpeg", "r")
    assert isinstance(decoder, VideoCodecContext)
    frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    if not frames or max(frames[0].width, frames[0].height) > _WIDEST:
        raise BrokenPictureError("a small picture is empty or not small")
    return frames[0]


def _sheet(pictures: Sequence[bytes]) -> tuple[bytes, tuple[int, int]]:
    """Return the sheet as JPEG, and the size of a tile in it."""
    first = _decode(pictures[0])
    width = max(2, min(TILE_WIDTH, first.width - first.width % 2))
    height = max(2, round(first.height * width / first.width / 2) * 2)
    rows = -(-len(pictures) // COLUMNS)
    columns = min(COLUMNS, len(pictures))
    graph = Graph()
    source = last = graph.add(
        "buffer",
        video_size=f"{first.width}x{first.height}",
        pix_fmt=first.format.name,
        time_base="1/1",
        pixel_aspect="1/1",
    )
    for name, arguments in (
        ("scale", f"{width}:{height}"),
        ("tile", f"{columns}x{rows}"),
        ("format", "yuvj420p"),
        ("buffersink", None),
    ):
        step = graph.add(name, arguments) if arguments else graph.add(name)
        last.link_to(step)
        last = step
    graph.configure()
    for number, picture in enumerate(pictures):
        frame = _decode(picture)
        if (frame.width, frame.height) != (first.width, first.height):
            raise BrokenPictureError("the small pictures are of several sizes")
        frame.pts = number
        source.push(frame)
    source.push(None)
    sheet = last.pull()
    assert isinstance(sheet, VideoFrame)
    return _jpeg(sheet), (width, height)


def _jpeg(frame: VideoFrame) -> bytes:
    encoder = CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base = Fraction(1, 1)
    encoder.thread_count = 1
    encoder.thread_type = cast("Any", "NONE")
    # A quality of its own is asked of each frame, which PyAV cannot set; bounds hold for all.
    encoder.options = {"qmin": str(_QUALITY), "qmax": str(_QUALITY)}
    frame.pict_type = PictureType.NONE
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))


if __name__ == "__main__":
    serve(handle)
