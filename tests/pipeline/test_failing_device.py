"""A device stops working in the middle of a film: what was watched stays, the result is of one piece."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import pytest
from cinelog.settings import StandaloneSettings
from cinelog_common.cmaf.hlsparsing import parse_playlist
from cinelog_common.cmaf.hlsvalidation import validate
from cinelog_common.contract.status import JobStatus
from cinelog_common.contract.values import Options
from cinelog_testkit.corpus.films import Film as DeepFilm
from cinelog_testkit.corpus.films import write_film
from cinelog_testkit.devices import (
    POOL,
    UNITS_BEFORE_IT_BREAKS,
    Device,
    HangingDevice,
    device_node,
    plug_in,
    show,
)
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.hanging_encoder import HUNG_ENV
from cinelog_testkit.viewing import Viewing, view, view_hls
from cinelog_testkit.waiting import within
from cinelog_transcode import main
from cinelog_transcode.domain.proof import Proof
from msgspec.structs import replace

OPTIONS = Options(preset="ultrafast", segment_s=1.0, title="film", profile="ladder")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "film.mp4", Film(frames=175, size=(512, 490)))


def convert(
    film: Path, data: Path, *, found: bool = False, hardware: bool = True, options: Options = OPTIONS
) -> JobStatus:
    settings = StandaloneSettings(data=data, allow_private_sources=True, hardware=hardware)

    async def work() -> JobStatus:
        async with device_node(settings, found=found) as it:
            return await it.convert(film, options)

    return within(work(), deadline_s=150)


@pytest.fixture
def converted(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobStatus:
    plug_in(monkeypatch)
    return convert(film, tmp_path / "data")


@pytest.fixture
def run(converted: JobStatus, tmp_path: Path) -> Path:
    """The folder of the run's objects."""
    return tmp_path / "data" / "objects" / "jobs" / converted.job / "1"


def assert_same(result: Viewing, source: Viewing) -> None:
    assert result.numbers == source.numbers
    assert result.times == source.times
    assert result.clicks_s == pytest.approx(source.clicks_s, abs=0.003)


def test_another_encoder_goes_on_and_what_was_watched_stays(
    film: Path, converted: JobStatus, run: Path
) -> None:
    texts = {path.name: path.read_text() for path in (run / "live").glob("*.m3u8")}
    breaks = {
        name: [entry.tag("EXT-X-DISCONTINUITY") is not None for entry in parse_playlist(texts[name]).entries]
        for name in ("490p.m3u8", "480p.m3u8", "a0.m3u8")
    }

    assert converted.state == "completed", converted.error
    assert Device.made == UNITS_BEFORE_IT_BREAKS
    (warning,) = converted.warnings
    assert warning.startswith("The encoder h264_nvenc stopped working in segment 3: ")
    assert_same(view(run / "output" / "video.mp4"), view(film))
    assert_same(view_hls(run / "output" / "master.m3u8"), view(film))
    assert validate(texts) == []
    assert {name: [n for n, broken in enumerate(own) if broken] for name, own in breaks.items()} == {
        "490p.m3u8": [UNITS_BEFORE_IT_BREAKS],
        "480p.m3u8": [UNITS_BEFORE_IT_BREAKS],
        "a0.m3u8": [UNITS_BEFORE_IT_BREAKS],
    }
    assert texts["490p.m3u8"].count("#EXT-X-MAP") == 2
    assert texts["a0.m3u8"].count("#EXT-X-MAP") == 1


def test_a_device_that_hangs_in_the_middle_of_a_unit_is_killed_and_every_frame_is_there(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = tmp_path / "hung"
    hung.mkdir()
    monkeypatch.setenv(HUNG_ENV, str(hung))
    plug_in(monkeypatch, HangingDevice)

    status = convert(film, tmp_path / "data")

    output = tmp_path / "data" / "objects" / "jobs" / status.job / "1" / "output"
    assert status.state == "completed", status.error
    (warning,) = status.warnings
    assert warning.startswith("The encoder h264_nvenc stopped working in segment 3: ")
    assert "reported no progress for 3 s and was ended" in warning
    assert "libx264 goes on from there, and encodes the result as a whole" in warning
    assert_same(view(output / "video.mp4"), view(film))
    assert_same(view_hls(output / "master.m3u8"), view(film))
    pids = [int(path.name) for path in hung.iterdir()]
    assert pids
    assert not [pid for pid in pids if is_child(pid)]


def is_child(pid: int) -> bool:
    """Whether a child process of ours with this number lives, or was not waited for."""
    try:
        return f"PPid:\t{os.getpid()}" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(("hardware", "units"), [(True, UNITS_BEFORE_IT_BREAKS), (False, 0)])
def test_the_first_job_of_a_node_finds_the_device_that_is_here(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, hardware: bool, units: int
) -> None:
    show(monkeypatch)

    status = convert(film, tmp_path / "data", found=True, hardware=hardware)

    assert status.state == "completed", status.error
    assert Device.made == units
    assert view(next((tmp_path / "data").rglob("output/video.mp4"))).numbers == view(film).numbers


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    film = DeepFilm(
        frames=48,
        codec="libx265",
        options={"x265-params": "log-level=none"},
        pixel_format="yuv420p10le",
        voices=(),
    )
    return write_film(tmp_path / "deep.mp4", film)


@pytest.fixture
def of_8_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device whose HEVC encoder was proven, but not with 10 bit."""
    plug_in(monkeypatch)
    others = main.prove

    async def proven(tables: Any) -> AsyncIterator[Proof]:
        if tables[0].pool == POOL:
            proof = Proof(encoder="hevc_nvenc", codec="hevc", pool=POOL, usable=True, version="13.0")
            yield replace(proof, no_ten_bit="it does not open")
            return
        async for proof in others(tables):
            yield proof

    monkeypatch.setattr(main, "prove", proven)


@pytest.mark.usefixtures("of_8_bit")
def test_a_device_of_8_bit_is_given_no_10_bit_and_the_film_keeps_its_depth(
    deep: Path, tmp_path: Path
) -> None:
    status = convert(deep, tmp_path / "data", options=replace(OPTIONS, codec="hevc", profile="web"))

    assert status.state == "completed", status.error
    assert Device.made == 0
    with av.open(str(next((tmp_path / "data").rglob("output/video.mp4")))) as container:
        pictures = list(container.decode(video=0))
    assert [picture.format.name for picture in pictures] == ["yuv420p10le"] * 48


@pytest.mark.usefixtures("of_8_bit")
def test_a_device_of_8_bit_that_is_required_for_10_bit_is_refused_by_name(deep: Path, tmp_path: Path) -> None:
    wish = replace(OPTIONS, codec="hevc", profile="web", hardware="require")

    status = convert(deep, tmp_path / "data", options=wish)

    assert status.state == "failed"
    assert status.error is not None
    assert status.error.category == "encoder_unavailable"
    assert "10 bit" in status.error.message
    assert Device.made == 0
