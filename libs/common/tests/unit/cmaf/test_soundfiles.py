"""Sound files written from a joined MP4, and covers that are none."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from cinelog_common.cmaf.joining import JoinTrack, join_mp4
from cinelog_common.cmaf.soundfiles import is_picture, write_sound
from cinelog_common.cmaf.testing import numbered_frame
from cinelog_common.errors import Category, PermanentError


def picture(codec: str, pix_fmt: str) -> bytes:
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 48, pix_fmt, Fraction(1, 1)
    frame = numbered_frame(3, width=64, height=48).reformat(format=pix_fmt)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


@pytest.mark.parametrize(("codec", "pix_fmt"), [("mjpeg", "yuvj420p"), ("png", "rgb24")])
def test_a_jpeg_and_a_png_are_pictures(codec: str, pix_fmt: str) -> None:
    assert is_picture(picture(codec, pix_fmt))


def test_what_only_begins_like_a_picture_is_none() -> None:
    whole = picture("png", "rgb24")

    assert not is_picture(whole[:20])
    assert not is_picture(b"\xff\xd8\xff" + bytes(200))
    assert not is_picture(b"")
    # A header of 65,535 × 65,535 pixels.
    assert not is_picture(whole[:16] + b"\0\0\xff\xff" * 2 + whole[24:])


def test_another_codec_than_the_file_s_own_is_refused(sound: JoinTrack, tmp_path: Path) -> None:
    join_mp4([sound], tmp_path / "song.mp4")

    with pytest.raises(PermanentError, match="A mp3 file holds no aac") as caught:
        write_sound(tmp_path / "song.mp4", tmp_path / "song.mp3")

    assert caught.value.category is Category.UNSUPPORTED_MEDIA
    assert [path.name for path in tmp_path.iterdir()] == ["song.mp4"]
