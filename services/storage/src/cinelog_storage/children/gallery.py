"""Makes the poster and the sprite sheet, in a process that may be killed.

Run as a child: one JSON order in, one JSON answer out.
"""

from fractions import Fraction
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
_QUALITY = 5 * 118
"""libavcodec's quality 5 of 31, in its lambda units."""


class _Picture:
    """One JPEG and when it is shown."""

    def __init__(self, packet: Packet, time_base: tuple[int, int]) -> None:
        luma = next((data for kind, data in packet.side_data if kind == _LUMA), b"{}")
        facts = msgspec.json.decode(luma, type=dict[str, float])
        at_s = float(Fraction((packet.pts or 0) * time_base[0], time_base[1]))
        self.data = packet.data
        self.candidate = Candidate(
            at_s=at_s, mean=facts.get("mean", 128.0), variance=facts.get("variance", 1000.0)
        )


def handle(payload: bytes, send: Send) -> None:
    """GalleryAnswer one order."""
    order = msgspec.json.decode(payload, type=GalleryOrder)
    try:
        answer = GalleryAnswer(gallery=make(order))
    except (BundleError, av.FFmpegError, msgspec.DecodeError) as error:
        answer = GalleryAnswer(broken=str(error))
    send(msgspec.json.encode(answer))


def make(order: GalleryOrder) -> Gallery:
    """Write poster, sprite sheet and its WebVTT file into the order's folder."""
    pictures = [picture for name in order.bundles for picture in _read(Path(name))]
    pictures.sort(key=lambda picture: picture.candidate.at_s)
    index = poster_index([picture.candidate for picture in pictures])
    if index is None:
        return Gallery()
    folder = Path(order.folder)
    (folder / POSTER).write_bytes(pictures[index].data)
    poster = _decode(pictures[index].data)
    shown = [pictures[number] for number in chosen_tiles(len(pictures))]
    sheet, tile = _sheet(shown)
    (folder / SPRITE).write_bytes(sheet)
    tiles = layout([picture.candidate.at_s for picture in shown], tile=tile, duration_s=order.duration_s)
    (folder / VTT).write_text(webvtt(tiles, tile=tile, image=SPRITE))
    return Gallery(poster=POSTER, sprite=SPRITE, vtt=VTT, width=poster.width, height=poster.height)


def _read(path: Path) -> list[_Picture]:
    with BundleReader.open(path) as reader:
        return [_Picture(packet, reader.parameters.time_base) for packet in reader]


def _decode(data: bytes) -> VideoFrame:
    decoder = CodecContext.create("mjpeg", "r")
    assert isinstance(decoder, VideoCodecContext)
    frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    return frames[0]


def _sheet(pictures: list[_Picture]) -> tuple[bytes, tuple[int, int]]:
    """Return the sheet as JPEG, and the size of a tile in it."""
    first = _decode(pictures[0].data)
    width = min(TILE_WIDTH, first.width - first.width % 2)
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
        frame = _decode(picture.data)
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
    encoder.qscale = True
    encoder.global_quality = _QUALITY
    frame.pict_type = PictureType.NONE
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))


if __name__ == "__main__":
    serve(handle)
