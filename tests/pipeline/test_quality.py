"""A target quality is reached on the result, and what is reported of it is what anybody can measure."""

import json
from pathlib import Path
from typing import Any

import pytest
from cinelog_testkit.comparing import mean_similarity

CLIP = Path(__file__).parents[2] / "examples" / "big-buck-bunny.mp4"
"""A real film: what a target costs can be told of no test picture."""
TOLERANCE = {"ssim": 0.005, "xpsnr": 0.8}
"""Of the report: a twentieth of the pictures stands for all."""
MISS = {"ssim": 0.008, "xpsnr": 0.8}
"""Of the target: so few pictures are tried, and of the first segments alone."""


@pytest.mark.parametrize(
    ("word", "target", "above"), [("ssim", 0.96, 0.025), ("ssim", 0.98, 0.015), ("xpsnr", 38.0, 4.0)]
)
def test_a_target_is_reached_over_all_pictures_and_the_report_agrees(
    convert: Any, word: str, target: float, above: float
) -> None:
    done = convert(CLIP, f"--target-{word}", str(target), "--container", "mp4")

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


def test_every_rung_is_measured_without_a_target_too(convert: Any) -> None:
    done = convert(CLIP, "--measure-quality", "--profile", "ladder", "--container", "mp4")

    best, smaller = done.result["quality"]
    assert (best["name"], smaller["name"]) == ("720p", "480p")
    assert best["mean"] == pytest.approx(mean_similarity(CLIP, done.path("mp4")), abs=TOLERANCE["ssim"])
    assert 0.9 < smaller["mean"] < 1.0
    assert smaller["size_bytes"] < best["size_bytes"]
    assert (best["target"], best["missed"]) == (None, 0)


def test_a_target_out_of_reach_is_a_warning_with_the_segment_that_misses_it_most(convert: Any) -> None:
    done = convert(CLIP, "--target-ssim", "0.999", "--container", "mp4")

    (quality,) = done.result["quality"]
    assert quality["missed"] > 0
    assert quality["outliers"]
    assert any("where 0.999 was wanted" in warning for warning in done.result["warnings"])


def test_nothing_is_measured_unasked(convert: Any) -> None:
    done = convert(CLIP, "--container", "mp4")

    assert "quality" not in done.result
