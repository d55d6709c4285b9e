from fractions import Fraction

import msgspec
import pytest
from cinelog_common.contract.quality import QualityGoal
from cinelog_common.contract.sidecars import SegmentPart, Sidecar
from cinelog_common.contract.values import Recipe, Rendition, VideoInfo
from cinelog_transcode.domain.damage import damaged_stretches
from cinelog_transcode.domain.quality import SHARE, LadderSearch, QualitySearch, carried_over, shares
from cinelog_transcode.domain.scanning import reorder_depth
from cinelog_transcode.domain.sidecars import encoded_rendition, same_span
from cinelog_transcode.domain.threads import encode_threads
from cinelog_transcode.domain.thumbnails import ThumbnailClock, thumbnail_size
from hypothesis import example, given
from hypothesis import strategies as st

RECIPE = Recipe(
    family="cpu",
    encoder="libx264",
    codec="h264",
    preset="medium",
    pixel_format="yuv420p",
    time_base=(1, 1000),
    frame_rate=(25, 1),
    renditions=(Rendition(name="a", width=1280, height=720, crf=23, max_rate_k=0),),
    max_segment_s=8.0,
)


def part(start: int, end: int, size: int = 10) -> SegmentPart:
    return SegmentPart(key="k", start=start, end=end, frames=1, size_bytes=size, checksum=0)


@pytest.mark.parametrize(
    ("cores", "slots", "in_hand", "threads"),
    [(8, 8, 1, 12), (8, 8, 2, 6), (8, 8, 8, 1), (8, 3, 5, 3), (1, 4, 4, 1), (2, 2, 0, 3)],
)
def test_slots_share_the_cores_unless_one_is_alone(
    cores: int, slots: int, in_hand: int, threads: int
) -> None:
    assert encode_threads(cores=cores, slots=slots, in_hand=in_hand) == threads


@pytest.mark.parametrize(
    ("cores", "slots", "rest", "threads"),
    [(2, 2, 0, 3), (2, 2, 1, 1), (8, 8, 3, 3), (8, 8, 4, 1), (1, 1, 0, 1), (4, 1, 0, 6), (2, 2, None, 1)],
)
def test_the_last_units_get_double(cores: int, slots: int, rest: int | None, threads: int) -> None:
    assert encode_threads(cores=cores, slots=slots, in_hand=slots, rest=rest) == threads


def test_thumbnails_lie_on_one_grid_whatever_the_cuts() -> None:
    whole = ThumbnailClock(0, 2000)
    second = ThumbnailClock(3000, 2000)
    times = range(0, 9000, 40)

    taken = [time for time in times if whole.takes(time)]

    assert taken == [0, 2000, 4000, 6000, 8000]
    assert [time for time in times if time >= 3000 and second.takes(time)] == [4000, 6000, 8000]


def test_a_frame_held_over_several_marks_is_taken_once() -> None:
    clock = ThumbnailClock(0, 2000)

    assert [time for time in (0, 500, 7000, 7040, 8000) if clock.takes(time)] == [0, 7000, 8000]


@pytest.mark.parametrize(
    ("video", "aspect", "rotation", "size"),
    [
        ((1280, 720), (1, 1), 0, (320, 180)),
        ((1920, 1080), (1, 1), 90, (568, 320)),
        ((720, 576), (64, 45), 0, (320, 180)),
        ((160, 120), (1, 1), 0, (160, 120)),
        ((321, 241), (1, 1), 180, (320, 240)),
    ],
)
def test_thumbnails_have_square_pixels_and_fit_when_turned(
    video: tuple[int, int], aspect: tuple[int, int], rotation: int, size: tuple[int, int]
) -> None:
    info = VideoInfo(codec="h264", width=video[0], height=video[1], time_base=(1, 1000))
    recipe = Recipe(**{**_fields(RECIPE), "sample_aspect": aspect, "rotation": rotation})

    found = thumbnail_size(info, recipe, 320)

    assert (found.width, found.height) == size


def test_damage_is_named_in_stretches_of_time() -> None:
    sentences = damaged_stretches([3240, 3200, 3280, 9000], Fraction(1, 1000))

    assert sentences == (
        "The source is damaged from 3.20 s to 3.28 s.",
        "The source is damaged at 9.00 s.",
    )


def test_the_peak_is_that_of_the_densest_part_rounded_up() -> None:
    sidecar = Sidecar(
        n=0,
        generation=0,
        init_hash="h",
        init_key="k",
        timescale=1000,
        parts=(part(0, 4000, 1000), part(4000, 4300, 100)),
    )

    assert encoded_rendition("a", sidecar).peak_bps == 2667


def test_parts_must_follow_one_another() -> None:
    assert same_span([part(0, 5), part(5, 9)], 0, 9)
    assert not same_span([part(0, 5), part(6, 9)], 0, 9)
    assert not same_span([part(0, 5)], 0, 9)


@pytest.mark.parametrize("target", [0.90, 0.95, 0.97, 0.99])
def test_the_search_comes_close_in_three_rounds(target: float) -> None:
    def similarity(crf: int) -> float:
        return 1 - (crf / 51) ** 2.2 * 0.25

    search = QualitySearch(goal=QualityGoal(target=target), start=23, worst=51)
    rounds = 0
    while crfs := search.next():
        search.learn(crfs, [similarity(crf) for crf in crfs])
        rounds += 1

    best = max(crf for crf in range(10, 52) if similarity(crf) >= target)
    assert rounds <= 3
    assert search.met
    assert best - 3 <= search.best <= best + 1


@given(
    values=st.lists(st.floats(0, 1), min_size=64, max_size=64),
    falls=st.booleans(),
    target=st.floats(0.01, 0.999),
    start=st.integers(0, 63),
    worst=st.sampled_from((51, 63)),
)
@example(values=[0.0] * 8 + [1.0] * 55 + [2.2e-311], falls=True, target=0.5, start=59, worst=63)
def test_a_search_ends_with_what_was_measured_whatever_the_encoder(
    *, values: list[float], falls: bool, target: float, start: int, worst: int
) -> None:
    curve = sorted(values, reverse=True) if falls else values
    search = QualitySearch(goal=QualityGoal(target=target), start=min(start, worst), worst=worst)
    measured: list[int] = []

    while crfs := search.next():
        assert not set(crfs) & set(measured)
        measured += crfs
        search.learn(crfs, [curve[crf] for crf in crfs])

    assert len(measured) <= 4
    assert all(10 <= crf <= worst for crf in measured)
    assert search.best in measured
    assert search.met == any(curve[crf] >= target - 0.0005 for crf in measured)


def test_each_rung_of_a_ladder_finds_its_own_quality() -> None:
    rungs = tuple(msgspec.structs.replace(RECIPE.renditions[0], name=name) for name in ("a", "b", "c"))
    recipe = msgspec.structs.replace(RECIPE, renditions=rungs)
    search = LadderSearch(goal=QualityGoal(metric="xpsnr", target=40.0), recipe=recipe)
    costs = (0.6, 0.8, 1.0)

    while (crfs := search.next()) is not None:
        search.learn(
            crfs, [[60.0 - cost * crf for crf in tried] for cost, tried in zip(costs, crfs, strict=True)]
        )
    tuned, warnings = search.tuned()

    assert [one.crf for one in tuned.renditions] == [33, 25, 20]
    assert warnings == ()


@given(st.lists(st.integers(1, 500), min_size=1, max_size=2), st.none() | st.integers(0, 10_000))
def test_no_more_than_a_twentieth_is_compared_unless_that_is_nothing(
    units: list[int], most: int | None
) -> None:
    wanted = sum(units) // SHARE if most is None else most

    found = shares(units, most)

    assert sum(found) <= wanted or found == (1, *[0] * (len(units) - 1))
    assert sum(found) >= 1
    assert all(count <= pictures for count, pictures in zip(found, units, strict=True))


def _fields(recipe: Recipe) -> dict[str, object]:
    return {name: getattr(recipe, name) for name in recipe.__struct_fields__}


@pytest.mark.parametrize(
    ("pts", "depth"),
    [
        ([], 0),
        ([0, 1, 2], 0),
        ([0, 2, 1, 4, 3], 1),
        ([0, 8, 4, 2, 6, 16, 12], 2),
        (list(range(50, 0, -1)), 16),
    ],
)
def test_the_reorder_depth_is_read_from_the_times(pts: list[int], depth: int) -> None:
    assert reorder_depth(pts) == depth


def test_a_sample_is_carried_over_to_pictures_that_are_further_off() -> None:
    errors = {0: 100, 1: 300, 2: 400, 3: 400}

    assert carried_over("ssim", {0: 0.98, 1: 0.96}, errors) == pytest.approx(1 - 0.03 * 1.5**0.8)
    assert carried_over("xpsnr", {0: 40.0}, {0: 10, 1: 1000}) == pytest.approx(32.0)


def test_without_the_encoders_errors_the_sample_stands_for_itself() -> None:
    assert carried_over("ssim", {0: 0.98, 1: 0.96}, {}) == pytest.approx(0.97)
    assert carried_over("ssim", {}, {0: 100}) is None


@given(st.dictionaries(st.integers(0, 50), st.floats(0, 1), min_size=1), st.integers(0, 2**60))
def test_equal_errors_change_nothing(values: dict[int, float], error: int) -> None:
    errors = dict.fromkeys(range(51), error)

    assert carried_over("ssim", values, errors) == pytest.approx(sum(values.values()) / len(values))
