"""A target quality is reached on the result, and what is reported of it is what anybody can measure."""

import json
from collections.abc import Iterator
from concurrent.futures import Future
from functools import cache, partial
from pathlib import Path
from statistics import fmean

import pytest
from cinelog_testkit.commands import Finished
from cinelog_testkit.comparing import similarities
from cinelog_testkit.converting import converted
from cinelog_testkit.overlapping import begun

CLIP = Path(__file__).parents[2] / "examples" / "big-buck-bunny.mp4"
"""A real film: what a target costs can be told of no test picture."""
TOLERANCE = {"ssim": 0.005, "xpsnr": 0.8}
"""Of the report: a twentieth of the pictures stands for all."""
FIRST = 96
"""Pictures of the first segment: on some of them a target is tried, and the clip's rest is much easier."""
LANDS = {"ssim": (0.008, 0.03), "xpsnr": (0.8, 1.5)}
"""So far below and above its target the first segment may come out: few pictures and qualities are tried."""
FAR_APART = {"ssim": (0.88, 0.94), "xpsnr": (28.0, 33.0)}
"""Two targets by metric, of which no result can be near both."""

TARGETS = [(word, target) for word, targets in FAR_APART.items() for target in targets]
CALLS = {
    **{f"{word} {target}": (f"--target-{word}", str(target)) for word, target in [*TARGETS, ("ssim", 0.999)]},
    "measured": ("--measure-quality", "--profile", "ladder"),
    "unasked": (),
}
Made = dict[str, Future[Finished]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """What each call makes of the clip."""
    calls = {
        name: partial(
            converted, CLIP, tmp_path_factory.mktemp("quality") / "out", *words, "--container", "mp4"
        )
        for name, words in CALLS.items()
    }
    with begun(calls) as results:
        yield results


@cache
def similar(path: Path, word: str = "ssim") -> list[float]:
    """How like the clip's each picture is."""
    return similarities(CLIP, path, word)


@pytest.mark.parametrize(("word", "target"), TARGETS)
def test_a_target_is_reached_and_not_exceeded_by_far(made: Made, word: str, target: float) -> None:
    path = made[f"{word} {target}"].result().path("mp4")

    reached = fmean(similar(path, word)[:FIRST])

    below, above = LANDS[word]
    assert target - below <= reached <= target + above


@pytest.mark.parametrize("word", FAR_APART)
def test_a_higher_target_makes_a_better_and_a_larger_film(made: Made, word: str) -> None:
    low, high = (made[f"{word} {target}"].result() for target in FAR_APART[word])

    worse, better = (fmean(similar(done.path("mp4"), word)) for done in (low, high))

    assert worse < better
    assert low.result["quality"][0]["mean"] < high.result["quality"][0]["mean"]
    assert low.output("mp4")["size_bytes"] < high.output("mp4")["size_bytes"]


@pytest.mark.parametrize(("word", "target"), TARGETS)
def test_what_is_reported_of_a_target_is_what_anybody_measures(made: Made, word: str, target: float) -> None:
    done = made[f"{word} {target}"].result()

    measured = fmean(similar(done.path("mp4"), word))

    (quality,) = done.result["quality"]
    assert quality["mean"] == pytest.approx(measured, abs=TOLERANCE[word])
    assert (quality["metric"], quality["target"]) == (word, target)
    assert quality["source_bytes"] == CLIP.stat().st_size
    assert quality["size_bytes"] < done.output("mp4")["size_bytes"]
    (metadata,) = done.path("mp4").parent.glob("*.json")
    assert json.loads(metadata.read_text())["quality"] == done.result["quality"]


def test_every_rung_is_measured_without_a_target_too(made: Made) -> None:
    done = made["measured"].result()

    best, smaller = done.result["quality"]
    assert (best["name"], smaller["name"]) == ("720p", "480p")
    assert best["mean"] == pytest.approx(fmean(similar(done.path("mp4"))), abs=TOLERANCE["ssim"])
    assert 0.9 < smaller["mean"] < 1.0
    assert smaller["size_bytes"] < best["size_bytes"]
    assert (best["target"], best["missed"]) == (None, 0)


def test_a_target_out_of_reach_is_a_warning_with_the_segment_that_misses_it_most(made: Made) -> None:
    done = made["ssim 0.999"].result()

    (quality,) = done.result["quality"]
    assert quality["missed"] > 0
    assert quality["outliers"]
    assert any("where 0.999 was wanted" in warning for warning in done.result["warnings"])


def test_nothing_is_measured_unasked(made: Made) -> None:
    done = made["unasked"].result()

    assert "quality" not in done.result
