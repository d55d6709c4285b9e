"""Packets that do not yield what they should: stored again with those before them, and nothing is lost."""

from pathlib import Path

import pytest
from cinelog_common.contract.values import AudioRecipe, Options
from cinelog_common.ids import job_id_of_key
from cinelog_download.children.demuxing import Demuxing
from cinelog_download.domain.demuxing import DemuxOrder, Extent, InputFile, Told, UnitCut
from cinelog_testkit.corpus.running import Wish, run_jobs
from cinelog_testkit.corpus.store import film
from cinelog_testkit.corpus.viewing import pictures_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WITHIN_S = 300.0
SPOILT = (2, 3)
"""Units whose packets are spoilt, side by side."""
JOB = job_id_of_key("corpus", "film")


def bundles(source: Path, folder: Path) -> dict[int, Path]:
    """Take a film apart as its job will, and return the units' bundles."""
    told: list[Told] = []
    size = source.stat().st_size
    inputs = (InputFile(path=str(source), size_bytes=size),)
    order = DemuxOrder(job=JOB, run=1, inputs=inputs, audio=AudioRecipe(), folder=str(folder), segment_s=1.0)
    Demuxing(order, lambda _: Extent(end=size, size_bytes=size), told.append).run()
    return {unit.n: Path(unit.path) for unit in told if isinstance(unit, UnitCut)}


def test_units_whose_packets_are_spoilt_are_made_again_from_the_unit_before_them(tmp_path: Path) -> None:
    source, stored = film("h264-open.mp4"), tmp_path / f"data/objects/jobs/{JOB}/1/source"
    stored.mkdir(parents=True)
    (tmp_path / "plain").mkdir()
    plain = bundles(source, tmp_path / "plain")
    for n in SPOILT:
        # Whoever stores it first has made the object: the job takes it for its own.
        data = bytearray(plain[n].read_bytes())
        data[len(data) // 2] ^= 0xFF
        (stored / plain[n].name).write_bytes(data)
    options = Options(
        preset="ultrafast",
        crf=8,
        segment_s=1.0,
        containers=("hls", "mp4"),
        hardware="never",
        destination=str(tmp_path / "out"),
    )

    wish = Wish(source=str(source), options=options)
    status = run_jobs({"film": wish}, tmp_path / "data", within_s=WITHIN_S)["film"]

    assert status.state == "completed", status.error
    assert any("could not be decoded alone" in warning for warning in status.warnings)
    paths = {output.kind: output for output in status.outputs}
    shown = pictures_of(Path(paths["mp4"].path or ""))
    assert [picture.number for picture in shown] == [picture.number for picture in pictures_of(source)]
    assert paths["hls"].frames == len(shown)
