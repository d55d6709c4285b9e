"""A device stops working in the middle of a film: what was watched stays, the result is of one piece."""

from pathlib import Path

import pytest
from cinelog.settings import StandaloneSettings
from cinelog_common.cmaf.hlsparsing import parse_playlist
from cinelog_common.cmaf.hlsvalidation import validate
from cinelog_common.contract.status import JobStatus
from cinelog_common.contract.values import Options
from cinelog_testkit.devices import UNITS_BEFORE_IT_BREAKS, Device, device_node, plug_in
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.viewing import Viewing, view, view_hls
from cinelog_testkit.waiting import within

OPTIONS = Options(preset="ultrafast", segment_s=1.0, title="film", profile="ladder")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "film.mp4", Film(frames=175, size=(512, 490)))


@pytest.fixture
def converted(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobStatus:
    plug_in(monkeypatch)

    async def work() -> JobStatus:
        async with device_node(StandaloneSettings(data=tmp_path / "data", allow_private_sources=True)) as it:
            return await it.convert(film, OPTIONS)

    return within(work(), deadline_s=150)


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
