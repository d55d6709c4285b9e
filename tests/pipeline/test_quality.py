"""A target quality is reached on the result, and what is reported of it is what anybody can measure."""

import json
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest
from cinelog_testkit.commands import Finished
from cinelog_testkit.comparing import mean_similarity
from cinelog_testkit.converting import converted
from cinelog_testkit.overlapping import begun

CLIP = Path(__file__).parents[2] / "examples" / "big-buck-bunny.mp4"
"""A real film: what a target costs can be told of no test picture."""
TOLERANCE = {"ssim": 0.005, "xpsnr": 0.8}
"""Of the report: a twentieth of the pictures stands for all."""
MISS = {"ssim": 0.008, "xpsnr": 0.8}
"""Of the target: so few pictures are tried, and of the first segments alone."""


TARGETS = [("ssim", 0.96), ("ssim", 0.98), ("xpsnr", 38.0), ("ssim", 0.999)]
CALLS = {
    **{f"{word} {target}": (f"--target-{word}", str(target)) for word, target in TARGETS},
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


@pytest.mark.parametrize(
    ("word", "target", "above"), [("ssim", 0.96, 0.025), ("ssim", 0.98, 0.015), ("xpsnr", 38.0, 4.0)]
)
def test_a_target_is_reached_over_all_pictures_and_the_report_agrees(
    made: Made, word: str, target: float, above: float
) -> None:
    done = made[f"{word} {target}"].result()

    measured = mean_similarity(CLIP, done.path("mp4"), word)
    (quality,) = done.result["quality"]
    slack = TOLERANCE[word]
    assert target - MISS[word] <= measured <= target + above
    assert quality["mean"] == pytest.approx(measured, abs=slack)
    assert (quality["metric"], quality["target"]) == (word, target)
    assert quality["source_bytes"] == CLIP.stat().st_size
    assert quality["size_bytes"] < done.output("mp4")["size_bytes"]
    (metadata,) = done.path("mp4").parent.glob("*.json")
    assert json.loads(metadata.read_text())["quality"] == done.result["quality"]


def test_every_rung_is_measured_without_a_target_too(made: Made) -> None:
    done = made["measured"].result()

    best, smaller = done.result["quality"]
    assert (best["name"], smaller["name"]) == ("720p", "480p")
    assert best["mean"] == pytest.approx(mean_similarity(CLIP, done.path("mp4")), abs=TOLERANCE["ssim"])
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
