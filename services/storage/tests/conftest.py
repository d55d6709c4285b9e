"""Pictures that the tests share."""

import av
import pytest


def a_jpeg(width: int = 32, height: int = 18, luma: int = 128) -> bytes:
    """Return a grey picture."""
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.framerate = 1
    encoder.thread_count = 1
    frame = av.VideoFrame(width, height, "yuvj420p")
    for plane, value in zip(frame.planes, (luma, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    return a_jpeg()


@pytest.fixture(scope="session")
def bright_jpeg() -> bytes:
    return a_jpeg(luma=200)
