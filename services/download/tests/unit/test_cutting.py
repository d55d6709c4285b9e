"""Where films are cut: near the target, at keyframes if they come, and the same whenever asked."""

from collections.abc import Sequence
from typing import overload

import msgspec
import pytest
from cinelog_download.domain.cutting import (
    Cut,
    CutPolicy,
    Seen,
    next_cut,
    no_cut_before,
    planned_units,
    surely_after,
    wanted,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SECOND = 1000
POLICY = CutPolicy(target=4 * SECOND)


def plan(keys: list[int], end: int, policy: CutPolicy, steps: list[int] | None = None) -> list[int]:
    """Cut a film whose keyframes arrive in steps of time; a step is how far the picture is known."""
    cuts: list[int] = []
    start = 0
    known = steps if steps is not None else [*range(0, end, SECOND // 10)]
    floor = 0
    for now in [*known, end]:
        ended = now == end
        while True:
            key = max(at for at in keys if at <= start)
            later = tuple(at for at in keys if start < at <= now)
            seen = Seen(start=start, key=key, keys=later, known=now, ended=ended)
            cut = next_cut(seen, policy)
            if cut is None:
                floor = max(floor, no_cut_before(seen, policy))
                break
            assert cut.at > start
            assert cut.at >= floor
            cuts.append(cut.at)
            start = cut.at
    return cuts


def test_short_groups_are_merged_to_the_target() -> None:
    keys = list(range(0, 30 * SECOND, SECOND))

    assert plan(keys, 30 * SECOND, POLICY) == [2000, 6000, 10000, 14000, 18000, 22000, 26000]


def test_the_last_units_are_short_where_the_end_is_known() -> None:
    keys = list(range(0, 30 * SECOND, SECOND))

    cuts = plan(keys, 30 * SECOND, msgspec.structs.replace(POLICY, end=30 * SECOND))

    lengths = [after - before for before, after in zip(cuts, [*cuts[1:], 30 * SECOND], strict=True)]
    assert lengths[-1] <= 2 * SECOND
    assert max(lengths) <= 4 * SECOND


def test_the_nearest_keyframe_is_taken() -> None:
    keys = [0, 1500, 2600, 6500, 11000]

    assert plan(keys, 14000, POLICY)[:3] == [1500, 6500, 11000]


def test_a_long_group_is_cut_inside_at_most_one_target_after_its_keyframe() -> None:
    cuts = plan([0, 20 * SECOND], 24 * SECOND, POLICY)

    assert cuts == [2000, 4000, 20000]


def test_a_group_of_less_than_two_targets_is_left_whole() -> None:
    keys = [0, 2000, 9900, 17000]

    assert plan(keys, 30 * SECOND, POLICY)[:3] == [2000, 9900, 17000]


def test_a_keyframe_that_comes_next_may_be_near_enough() -> None:
    seen = Seen(start=2000, key=2000, keys=(), known=10_000)

    assert next_cut(seen, POLICY) is None
    assert next_cut(msgspec.structs.replace(seen, keys=(10_000,)), POLICY) == Cut(at=10_000)


def test_an_end_without_keyframes_is_shared_by_fewer_units() -> None:
    with_keys, without = list(range(0, 24001, 1000)), [0, 4000, 8000, 12000, 16000]
    policy = msgspec.structs.replace(POLICY, end=23 * SECOND)

    tails = [
        [cut for cut in plan(keys, 23 * SECOND, policy) if cut >= 16000] for keys in (with_keys, without)
    ]

    assert tails == [[16000, 18000, 20000, 22000], [16000, 19500]]


def test_a_keyframe_just_before_the_end_is_no_cut() -> None:
    policy = msgspec.structs.replace(POLICY, end=10100)

    assert plan([0, 2000, 6000, 10000], 10100, policy)[-2:] == [6000, 8050]


def test_a_picture_that_is_passed_through_is_cut_at_keyframes_only() -> None:
    policy = msgspec.structs.replace(POLICY, inside=False)

    assert plan([0, 20 * SECOND], 24 * SECOND, policy) == [20 * SECOND]


def test_a_short_clip_of_a_few_groups_becomes_several_units() -> None:
    assert plan([0, 1000, 2000, 3000], 4000, POLICY) == [2000]


def test_no_rest_of_a_few_frames_is_left() -> None:
    keys = [0, 2000, 6000, 10000]

    policy = msgspec.structs.replace(POLICY, end=10100, inside=False)

    assert plan(keys, 10100, policy) == [2000, 6000]


@pytest.mark.parametrize(("film_s", "first_s"), [(3600, 2.0), (40, 2.0), (24, 1.2), (8, 0.5)])
def test_the_shorter_a_film_the_shorter_is_its_first_unit(film_s: int, first_s: float) -> None:
    policy = CutPolicy(target=4000, end=film_s * 1000)

    assert wanted(0, policy) == first_s * 1000


def test_the_first_unit_is_wanted_shorter() -> None:
    assert wanted(0, POLICY) == 2000
    assert wanted(2000, POLICY) == 4000


def test_a_cut_at_a_keyframe_is_not_inside() -> None:
    seen = Seen(start=0, key=0, keys=(2000,), known=2000)

    assert next_cut(seen, POLICY) == Cut(at=2000)


GAPS = st.lists(st.integers(100, 15 * SECOND), min_size=1, max_size=40)


@settings(deadline=None, max_examples=50)
@given(GAPS, st.lists(st.integers(50, 3 * SECOND), min_size=1, max_size=60), st.booleans(), st.booleans())
def test_what_is_known_when_does_not_move_a_cut(
    gaps: list[int], steps: list[int], inside: bool, with_end: bool
) -> None:
    keys = [0]
    for gap in gaps:
        keys.append(keys[-1] + gap)
    end = keys[-1] + 700
    policy = CutPolicy(target=4 * SECOND, inside=inside, end=end if with_end else None)
    coarse = [0]
    while coarse[-1] < end:
        coarse.append(coarse[-1] + steps[len(coarse) % len(steps)])

    assert plan(keys, end, policy, coarse[:-1]) == plan(keys, end, policy, list(range(0, end, 50)))


@settings(deadline=None, max_examples=50)
@given(GAPS)
def test_units_are_decoded_from_at_most_one_target_before(gaps: list[int]) -> None:
    keys = [0]
    for gap in gaps:
        keys.append(keys[-1] + gap)

    cuts = plan(keys, keys[-1] + 500, POLICY)

    for cut in cuts:
        assert cut - max(key for key in keys if key <= cut) <= POLICY.target
    assert cuts == sorted(set(cuts))


@given(
    st.lists(st.integers(1, 12 * SECOND), max_size=40),
    st.integers(SECOND, 120 * SECOND),
)
def test_the_number_of_units_is_known_before_where_all_keyframes_are(gaps: list[int], end: int) -> None:
    keys = [0]
    for gap in gaps:
        if keys[-1] + gap < end:
            keys.append(keys[-1] + gap)
    policy = msgspec.structs.replace(POLICY, end=end)

    assert planned_units(keys, policy) == len(plan(keys, end, policy, steps=[])) + 1


def test_nobody_counts_the_units_of_a_picture_without_a_known_end() -> None:
    assert planned_units([0, 4000], POLICY) is None


def test_without_an_index_units_are_expected_to_be_of_the_target_length() -> None:
    assert planned_units([], msgspec.structs.replace(POLICY, end=41 * SECOND)) == 11


def counted_one_by_one(keys: Sequence[int], policy: CutPolicy) -> int:
    """Count the units of a film that ends as said, each decided with all of its keyframes in view."""
    assert policy.end is not None
    units, start = 1, 0
    while True:
        key = max((key for key in keys if key <= start), default=keys[0])
        later = tuple(key for key in keys if key > start)
        cut = next_cut(Seen(start=start, key=key, keys=later, known=policy.end, ended=True), policy)
        if cut is None or cut.at >= policy.end:
            return units
        units, start = units + 1, cut.at


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.integers(1, 12 * SECOND) | st.integers(1, SECOND // 4), max_size=80),
    st.integers(0, SECOND),
    st.integers(1, 120 * SECOND),
    st.booleans(),
)
def test_a_plan_needs_only_the_keyframes_near_each_unit(
    gaps: list[int], first: int, end: int, inside: bool
) -> None:
    keys = [first]
    for gap in gaps:
        keys.append(keys[-1] + gap)
    policy = msgspec.structs.replace(POLICY, end=end, inside=inside)

    assert planned_units(keys, policy) == counted_one_by_one(keys, policy)


class CountingKeys(Sequence[int]):
    """Keyframes that count how many of them were looked at."""

    def __init__(self, times: range) -> None:
        self._times = times
        self.looked_at = 0

    def __len__(self) -> int:
        return len(self._times)

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[int]: ...
    def __getitem__(self, at: int | slice) -> int | Sequence[int]:
        found = self._times[at]
        self.looked_at += len(found) if isinstance(found, range) else 1
        return found


def test_a_film_of_nothing_but_keyframes_is_planned_in_one_pass() -> None:
    keys = CountingKeys(range(0, 600 * SECOND, 40))

    units = planned_units(keys, msgspec.structs.replace(POLICY, end=600 * SECOND))

    assert units == 152
    assert keys.looked_at < 4 * len(keys)


NEAR_AND_FAR = [(Cut(at=9000), 2000), (Cut(at=10_000), 2000), (Cut(at=10_001), 10_001)]


@pytest.mark.parametrize(("cut", "before"), NEAR_AND_FAR)
def test_a_cut_that_may_be_refused_promises_nothing_unless_it_is_far(cut: Cut, before: int) -> None:
    assert surely_after(cut, 2000, POLICY) == before


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.integers(100, 15 * SECOND), st.booleans()), min_size=1, max_size=12),
    st.booleans(),
    st.booleans(),
)
def test_no_cut_comes_before_a_time_of_which_that_was_said(
    groups: list[tuple[int, bool]], inside: bool, with_end: bool
) -> None:
    """Keyframes turn out to be no entries, one after the other, when the film is to be cut there."""
    keys, refused = [0], set[int]()
    for gap, wrong in groups:
        keys.append(keys[-1] + gap)
        refused |= {keys[-1]} if wrong else set()
    end = keys[-1] + 700
    policy = CutPolicy(target=4 * SECOND, inside=inside, end=end if with_end else None)
    start = floor = 0
    for now in range(0, end, 250):
        while True:
            later = tuple(key for key in keys if start < key <= now)
            key = max(key for key in keys if key <= start)
            seen = Seen(start=start, key=key, keys=later, known=now)
            assert no_cut_before(seen, policy) >= floor
            floor = no_cut_before(seen, policy)
            cut = next_cut(seen, policy)
            if cut is None:
                break
            assert cut.at >= floor
            if cut.at in refused:
                keys.remove(cut.at)
                continue
            start = cut.at
