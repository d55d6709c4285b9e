"""Layers beside the picture, HDR10+ and Dolby Vision: told of, and really gone from what is made."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from cinelog_common.cmaf.obu import units
from cinelog_common.contract.status import JobStatus
from cinelog_common.contract.values import Options
from cinelog_testkit.corpus.films import Colours, Film, write_film
from cinelog_testkit.corpus.running import Wish, run_jobs

pytestmark = pytest.mark.timeout(300)

FILM = Film(
    frames=30,
    codec="libx265",
    options={"x265-params": "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"},
    pixel_format="yuv420p10le",
    colours=Colours(primaries=9, transfer=16, matrix=9),
    voices=(),
)
LAYERS = {"DYNAMIC_HDR_PLUS", "DOVI_RPU_BUFFER", "DOVI_METADATA"}
START = b"\0\0\0\1"
SEI_PREFIX, SEI_SUFFIX, UNSPECIFIED_62 = 39, 40, 62
T35 = 4
"""A user's registered data: as a payload of an SEI message in HEVC, as a kind of metadata unit in AV1."""
AV1_METADATA = 5


def packed(*fields: tuple[int, int]) -> bytes:
    """Values and how many bits each takes, filled up."""
    text = "".join(format(value, f"0{width}b") for value, width in fields)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def ue(value: int) -> tuple[int, int]:
    """An Exp-Golomb number (H.265 9.2) as a field."""
    return value + 1, 2 * (value + 1).bit_length() - 1


def unit(kind: int, payload: bytes) -> bytes:
    """An HEVC unit with its start code and its emulation prevention (7.4.2)."""
    escaped = bytearray()
    for byte in payload:
        if escaped[-2:] == b"\0\0" and byte <= 3:
            escaped.append(3)
        escaped.append(byte)
    return START + bytes((kind << 1, 1)) + bytes(escaped)


def hdr10_plus() -> bytes:
    """The least that HDR10+ (ST 2094-40) may say, as a message of ITU-T T.35."""
    percentiles = (0, 4), (0, 10), (0, 1), (0, 1), (0, 1)
    brightest = (1000, 17), (1000, 17), (1000, 17), (500, 17)
    said = bytes([0xB5, 0x00, 0x3C, 0x00, 0x01, 4, 1]) + packed(
        (1, 2), (400, 27), (0, 1), *brightest, *percentiles
    )
    return unit(SEI_PREFIX, bytes([T35, len(said)]) + said + b"\x80")


def dolby_vision() -> bytes:
    """A reference processing unit of profile 8 that leaves the picture as it is."""
    same = [ue(0), ue(0), (0, 1), (1, 1), (0, 23), *[(0b010, 3), (0, 23)]]  # 0 + 1.0 x
    whole = [ue(0), (0, 10), (1023, 10)]  # one piece, from black to white
    data = packed(
        *[(2, 6), (18, 11), (1, 4), (0, 4), (1, 1), (0, 1), (0, 2), ue(23), (1, 2), (0, 1)],
        *[ue(2), ue(2), ue(4), (0, 1), (0, 3), (0, 1), (1, 1)],  # 10 bit, made for 12; no second layer
        *[(0, 1), (0, 1), ue(0), ue(0), ue(0)],
        *(whole * 3),
        *[ue(0), ue(0)],
        *(same * 3),
    )
    return unit(UNSPECIFIED_62, b"\x19" + data + bytes(4) + b"\x80")


def layered(packets: Any) -> Iterator[Any]:
    """Every picture with both layers; what comes from the encoder is in the byte stream's form."""
    for packet in packets:
        made = av.Packet(hdr10_plus() + bytes(packet) + dolby_vision())
        made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
        made.duration, made.is_keyframe, made.stream = packet.duration, packet.is_keyframe, packet.stream
        yield made


def shown(path: Path) -> list[set[str]]:
    """What each picture carries."""
    with av.open(str(path)) as container:
        found: list[Any] = [frame.side_data for frame in container.decode(video=0)]
    return [{data[at].type.name for at in range(len(data))} for data in found]


def kinds(path: Path, codec: str) -> set[tuple[int, int]]:
    """The units of all packets: their kind, and of messages and metadata what they hold."""
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    if codec == "av1":
        return {_av1_kind(kind, body) for data in packets for kind, _, body in units(data)}
    return {_hevc_kind(one) for data in packets for one in length_counted(data)}


def _av1_kind(kind: int, body: bytes) -> tuple[int, int]:
    return kind, body[0] if kind == AV1_METADATA else 0


def length_counted(data: bytes) -> Iterator[bytes]:
    """The units of a sample of MP4."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def _hevc_kind(one: bytes) -> tuple[int, int]:
    kind = one[0] >> 1 & 63
    return kind, one[2] if kind in {SEI_PREFIX, SEI_SUFFIX} else 0


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("films") / "layered.mp4", FILM, layered)


@pytest.fixture(scope="module")
def results(film: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, JobStatus]:
    folder = tmp_path_factory.mktemp("results")
    wishes = {
        codec: Wish(
            source=str(film),
            options=Options(
                codec=codec,
                preset="ultrafast",
                segment_s=1.0,
                containers=("mp4",),
                hardware="never",
                destination=str(folder / codec),
            ),
        )
        for codec in ("hevc", "av1", "h264")
    }
    return run_jobs(wishes, folder / "data", within_s=120.0)


def test_the_source_has_both_layers_in_every_picture(film: Path) -> None:
    assert all(found >= LAYERS for found in shown(film))
    assert {(SEI_PREFIX, T35), (UNSPECIFIED_62, 0)} <= kinds(film, "hevc")


def test_what_is_looked_for_in_av1_would_be_found() -> None:
    data = bytes((AV1_METADATA << 3 | 2, 2, T35, 0xB5))  # with its size (AV1 5.3.2), then 5.8.1

    assert [_av1_kind(kind, body) for kind, _, body in units(data)] == [(AV1_METADATA, T35)]


@pytest.mark.parametrize("codec", ["hevc", "av1", "h264"])
def test_no_layer_is_left_in_what_is_made_and_each_is_told_of(
    results: dict[str, JobStatus], codec: str
) -> None:
    status = results[codec]
    assert status.state == "completed", status.error
    [path] = [Path(output.path or "") for output in status.outputs if output.kind == "mp4"]

    pictures = shown(path)

    assert len(pictures) == FILM.frames
    assert not set().union(*pictures) & LAYERS
    assert [name for name in ("HDR10+", "Dolby Vision") for told in status.warnings if name in told] == [
        "HDR10+",
        "Dolby Vision",
    ]
    if codec != "h264":
        assert not kinds(path, codec) & {
            (SEI_PREFIX, T35),
            (SEI_SUFFIX, T35),
            (UNSPECIFIED_62, 0),
            (AV1_METADATA, T35),
        }
