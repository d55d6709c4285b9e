"""Dynamic HDR is named when it is left out."""

import struct
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import av
import pytest
from av.video.frame import VideoFrame
from cinelog_common.errors import Category, PermanentError
from cinelog_download.children.layers import dropped_layers, warnings_of


def bits(*fields: tuple[int, int]) -> bytes:
    """Values and how many bits each takes, packed and filled up."""
    text = "".join(format(value, f"0{width}b") for value, width in fields)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def hdr10_plus() -> bytes:
    """A supplemental message of ITU-T T.35 with the least that HDR10+ (ST 2094-40) may say."""
    dynamic = bits(
        (1, 2),
        (400, 27),
        (0, 1),
        (1000, 17),
        (1000, 17),
        (1000, 17),
        (500, 17),
        (0, 4),
        (0, 10),
        (0, 1),
        (0, 1),
        (0, 1),
    )
    said = bytes([0xB5, 0x00, 0x3C, 0x00, 0x01, 4, 1]) + dynamic
    message = bytes([4, len(said)]) + said + b"\x80"
    escaped = bytearray()
    for byte in message:
        if escaped[-2:] == b"\0\0" and byte <= 3:
            escaped.append(3)
        escaped.append(byte)
    return b"\x4e\x01" + bytes(escaped)


def first_picture(*, layered: bool) -> VideoFrame:
    """Of HEVC whose packet carries the message, or does not."""
    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 64, "yuv420p10le"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.options = {"x265-params": "log-level=none:bframes=0"}
    picture = VideoFrame(64, 64, "yuv420p10le")
    picture.pts = 0
    (packet,) = [*encoder.encode(picture), *encoder.encode(None)]
    said = b"\0\0\0\1" + hdr10_plus() if layered else b""
    decoder = av.CodecContext.create("hevc", "r")
    (shown,) = [*decoder.decode(av.Packet(said + bytes(packet))), *decoder.decode(None)]
    return shown


@pytest.mark.parametrize(("layered", "named"), [(True, ["HDR10+"]), (False, [])])
def test_a_layer_of_hdr10_plus_is_named(layered: bool, named: list[str]) -> None:
    warnings = dropped_layers(first_picture(layered=layered), "hvc1")

    assert [warning.split("'s ")[1].split(" layer")[0] for warning in warnings] == named


@pytest.mark.parametrize("tag", ["dvh1", "dvhe", "dav1"])
def test_a_track_of_dolby_vision_is_named_by_its_sample_entry(tag: str) -> None:
    (warning,) = dropped_layers(None, tag)

    assert "Dolby Vision" in warning


def side(name: str, data: bytes = b"") -> Any:
    class Datum(bytes):
        type = SimpleNamespace(name=name)

    return Datum(data)


def metadata(*, profile: int, full_range: int) -> bytes:
    header = struct.pack("<BxHBBBBBBB", 2, 18, profile, 0, 0, 0, 23, 1, full_range)
    return struct.pack("N", 24) + bytes(16) + header


def test_several_data_of_one_layer_make_one_warning() -> None:
    found = [
        side("DOVI_RPU_BUFFER"),
        side("DOVI_METADATA", metadata(profile=1, full_range=0)),
        side("MASTERING_DISPLAY_METADATA"),
    ]

    (warning,) = warnings_of(found, "dvhe")

    assert "Dolby Vision" in warning


def test_colours_that_only_a_dolby_decoder_restores_are_refused() -> None:
    with pytest.raises(PermanentError, match="profile 5") as raised:
        warnings_of([side("DOVI_METADATA", metadata(profile=0, full_range=1))], "dvh1")

    assert raised.value.category is Category.UNSUPPORTED_MEDIA


@pytest.mark.parametrize("data", [b"", b"\xff" * 8, struct.pack("N", 1 << 40)])
def test_broken_metadata_are_only_named(data: bytes) -> None:
    assert len(warnings_of([side("DOVI_METADATA", data)], "hvc1")) == 1
