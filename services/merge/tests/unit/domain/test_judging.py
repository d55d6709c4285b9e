"""What is told of the quality of a result, from what was measured of its units."""

from cinelog_common.contract.quality import QualityGoal
from cinelog_common.contract.sidecars import SegmentPart, Sidecar
from cinelog_merge.domain.judging import MOST_OUTLIERS, Measured, judged, warnings_of
from hypothesis import given
from hypothesis import strategies as st

SSIM = QualityGoal(metric="ssim", target=0.95)


def unit(n: int, quality: float | None, *, frames: int = 100) -> Sidecar:
    part = SegmentPart(
        key=f"{n}", start=n * 4000, end=(n + 1) * 4000, frames=frames, size_bytes=1000, checksum=0
    )
    return Sidecar(
        n=n, generation=0, init_hash="i", init_key="k", timescale=1000, parts=(part,), quality=quality
    )


def rendition(*units: Sidecar) -> Measured:
    return Measured(name="720p", sidecars=units)


def test_the_mean_counts_pictures_and_the_size_is_held_against_the_source() -> None:
    (found,) = judged([rendition(unit(0, 0.96, frames=300), unit(1, 0.98, frames=100))], SSIM, 8000)

    assert (found.mean, found.lowest, found.units) == (0.965, 0.96, 2)
    assert (found.size_bytes, found.source_bytes, found.size_ratio) == (2000, 8000, 0.25)
    assert (found.target, found.missed, found.outliers) == (0.95, 0, ())


def test_a_unit_far_below_its_fellows_is_named_with_its_time() -> None:
    units = [unit(n, 0.99) for n in range(20)]
    units[7] = unit(7, 0.96)

    (found,) = judged([rendition(*units)], SSIM, None)

    (odd,) = found.outliers
    assert (odd.n, odd.start_s, odd.end_s, odd.value) == (7, 28.0, 32.0, 0.96)
    assert found.missed == 0
    assert found.size_ratio is None
    assert warnings_of((found,), ["720p"], SSIM) == ()


def test_units_that_miss_the_target_are_a_warning() -> None:
    (found,) = judged([rendition(unit(0, 0.96), unit(1, 0.90), unit(2, 0.93))], SSIM, None)

    assert found.missed == 2
    assert [odd.n for odd in found.outliers] == [1, 2]
    (warning,) = warnings_of((found,), ["720p"], SSIM)
    assert "720p reached an SSIM of 0.93 where 0.95 was wanted" in warning
    assert "2 of 3 segments" in warning
    assert "4.0 to 8.0 s" in warning


def test_what_was_only_measured_misses_nothing() -> None:
    goal = QualityGoal()

    found = judged([rendition(unit(0, 0.5))], goal, None)

    assert found[0].missed == 0
    assert warnings_of(found, ["720p"], goal) == ()


def test_a_rendition_without_any_measurement_is_said_and_not_made_up() -> None:
    found = judged([rendition(unit(0, None))], SSIM, None)

    assert found == ()
    assert warnings_of(found, ["720p"], SSIM) == ("The quality of 720p could not be measured.",)


@given(st.lists(st.none() | st.floats(0, 1), max_size=60))
def test_the_report_stays_small_and_within_what_was_measured(values: list[float | None]) -> None:
    found = judged([rendition(*(unit(n, value) for n, value in enumerate(values)))], SSIM, 1)

    known = [value for value in values if value is not None]
    assert len(found) == bool(known)
    for one in found:
        assert min(known) - 1e-5 <= one.lowest <= one.mean + 1e-5 <= max(known) + 2e-5
        assert len(one.outliers) <= MOST_OUTLIERS
        assert [odd.n for odd in one.outliers] == sorted(odd.n for odd in one.outliers)
