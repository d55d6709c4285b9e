"""High dynamic range whose screen and light only the container tells of."""

import struct
from pathlib import Path
from typing import Any

import av
import msgspec
import pytest
from cinelog_common.contract.status import JobStatus
from cinelog_common.contract.values import Options
from cinelog_testkit.corpus.films import Colours, Film, write_film
from cinelog_testkit.corpus.running import Wish, run_jobs
from cinelog_testkit.corpus.surgery import boxes, ffmpeg

pytestmark = pytest.mark.timeout(300)

OPTIONS = Options(
    codec="hevc", preset="ultrafast", segment_s=1.0, containers=("hls", "mp4"), hardware="never", crf=30
)
FILM = Film(
    frames=48,
    codec="libx265",
    options={"x265-params": "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"},
    pixel_format="yuv420p10le",
    colours=Colours(primaries=9, transfer=16, matrix=9),
    voices=(),
)
SCREEN = struct.pack(
    ">8HII", 13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450, 10_000_000, 50
)  # as mdcv has it: green, blue, red, white, most and least light
LIGHT = struct.pack(">HH", 1000, 400)


def box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def lit(source: Path, path: Path) -> Path:
    """Write an MP4 whose sample entry tells of screen and light; its index lies behind its pictures."""
    data = bytearray(source.read_bytes())
    added = box(b"mdcv", SCREEN) + box(b"clli", LIGHT)
    entry = data.index(b"hev1", data.index(b"stsd")) - 4
    end = entry + int.from_bytes(data[entry : entry + 4], "big")
    around = [start - 8 for _, start, stop in boxes(data) if start <= entry < stop]
    for at in (*around, entry):
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + len(added))
    data[end:end] = added
    path.write_bytes(bytes(data))
    return path


def told(path: Path) -> dict[str, bytes]:
    """What the first picture says of screen and light."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        found: Any = frame.side_data
        return {found[at].type.name: bytes(found[at]) for at in range(len(found))}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    bare = write_film(folder / "bare.mp4", FILM)
    assert "MASTERING_DISPLAY_METADATA" not in told(bare)
    mp4 = lit(bare, folder / "lit.mp4")
    ffmpeg("-i", mp4, "-c", "copy", folder / "lit.mkv")
    return {"mp4": mp4, "mkv": folder / "lit.mkv"}


@pytest.fixture(scope="module")
def results(films: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, JobStatus]:
    folder = tmp_path_factory.mktemp("results")
    wishes = {
        name: Wish(source=str(path), options=msgspec.structs.replace(OPTIONS, destination=str(folder / name)))
        for name, path in films.items()
    }
    return run_jobs(wishes, folder / "data", within_s=120.0)


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_what_only_the_container_tells_of_screen_and_light_comes_through(
    films: dict[str, Path], results: dict[str, JobStatus], container: str
) -> None:
    status = results[container]
    assert status.state == "completed", status.error
    [path] = [Path(output.path or "") for output in status.outputs if output.kind == "mp4"]

    names = {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"}
    shown = told(path)

    assert names <= told(films[container]).keys()
    assert names <= shown.keys()
    # Matroska has fractions of its own: what counts is what comes out.
    data = path.read_bytes()
    assert box(b"mdcv", SCREEN) in data
    assert box(b"clli", LIGHT) in data
