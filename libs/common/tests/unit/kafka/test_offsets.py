import pytest
from cinelog_common.kafka.offsets import METADATA_LIMIT, SPREAD, Mark, Tracker, decode, encode
from hypothesis import given
from hypothesis import strategies as st

OFFSETS = st.integers(min_value=0, max_value=2**62)


@st.composite
def marks(draw: st.DrawFn) -> Mark:
    """Marks as a tracker can make them: done and starts beyond the watermark, and apart."""
    watermark = draw(OFFSETS)
    done = draw(st.frozensets(st.integers(1, 200), max_size=SPREAD))
    starts = draw(st.dictionaries(st.integers(0, 200), st.integers(1, 9), max_size=SPREAD))
    return Mark(
        watermark=watermark,
        done=frozenset(watermark + offset for offset in done),
        starts={watermark + o: count for o, count in starts.items() if o not in done},
    )


@given(marks())
def test_a_mark_survives_the_commit_metadata(mark: Mark) -> None:
    metadata = encode(mark)

    assert decode(mark.watermark, metadata) == mark
    assert len(metadata) < METADATA_LIMIT


@given(
    st.frozensets(st.integers(1, 2**60), max_size=400),
    st.dictionaries(st.integers(0, 2**60), st.integers(1, 99), max_size=400),
)
def test_metadata_never_outgrow_what_kafka_takes(done: frozenset[int], starts: dict[int, int]) -> None:
    metadata = encode(Mark(watermark=7, done=frozenset(7 + o for o in done), starts=starts))

    assert len(metadata) < METADATA_LIMIT


def test_when_metadata_do_not_fit_the_highest_start_counts_stay() -> None:
    starts = {10**15 + n: 1 for n in range(400)} | {5: 3}

    kept = decode(0, encode(Mark(watermark=0, starts=starts))).starts

    assert kept[5] == 3
    assert len(kept) < 400


@given(
    st.integers(0, 2**40), st.text(max_size=300) | st.from_regex(r"1;s=[0-9:,-]*;d=[0-9,-]*", fullmatch=True)
)
def test_any_metadata_decode_to_some_mark_at_the_same_watermark(watermark: int, metadata: str) -> None:
    mark = decode(watermark, metadata)

    assert mark.watermark == watermark
    assert all(offset >= watermark for offset in mark.done)
    assert len(mark.done) < 100_000


@pytest.mark.parametrize(
    "metadata",
    ["", "garbage", "2;s=0:1", "1;s=0", "1;s=-1:1", "1;d=5-99999999999", "1;d=x", "1;s=1:1:1", "1;s=²:1"],
)
def test_damaged_metadata_count_as_empty(metadata: str) -> None:
    assert decode(9, metadata) == Mark(watermark=9)


@given(st.permutations(range(12)), st.data())
def test_in_any_order_of_completion_the_commit_never_passes_unfinished_work(
    order: list[int], data: st.DataObject
) -> None:
    gaps = data.draw(st.lists(st.integers(0, 3), min_size=12, max_size=12))
    offsets = [100 + n + sum(gaps[: n + 1]) for n in range(12)]
    tracker = Tracker(Mark(watermark=100))
    for offset in offsets:
        assert tracker.take(offset)
        tracker.start(offset)
    unfinished = set(offsets)

    for index in order:
        tracker.finish(offsets[index])
        unfinished.discard(offsets[index])
        mark = tracker.mark()

        assert mark.watermark <= min(unfinished, default=offsets[-1] + 1)
        assert not mark.done & unfinished
        assert all(tracker.starts(offset) == 0 for offset in unfinished)

    assert tracker.watermark == offsets[-1] + 1
    assert tracker.mark() == Mark(watermark=offsets[-1] + 1)


def test_a_delivered_offset_is_taken_once() -> None:
    tracker = Tracker(Mark(watermark=5))

    taken = [tracker.take(offset) for offset in (5, 6, 5, 6, 7)]

    assert taken == [True, True, False, False, True]


def test_what_an_earlier_owner_finished_beyond_the_watermark_is_not_taken() -> None:
    tracker = Tracker(Mark(watermark=5, done=frozenset({6, 7, 9})))

    taken = {offset: tracker.take(offset) for offset in range(5, 11)}

    assert taken == {5: True, 6: False, 7: False, 8: True, 9: False, 10: True}
    tracker.finish(5)
    assert tracker.watermark == 8


def test_offsets_that_never_come_hold_nothing_back() -> None:
    tracker = Tracker(Mark(watermark=5))
    tracker.take(20)
    tracker.start(20)

    tracker.finish(20)

    assert tracker.watermark == 21


def test_at_most_the_spread_is_started_beyond_the_watermark() -> None:
    tracker = Tracker(Mark(watermark=0))
    for offset in range(200):
        tracker.take(offset)
    tracker.start(0)

    started = 0
    for offset in range(1, 200):
        if not tracker.may_start(offset):
            break
        tracker.start(offset)
        tracker.finish(offset)
        started += 1

    assert started == SPREAD - 1
    tracker.finish(0)
    assert tracker.may_start(started + 1)


def test_the_watermark_may_start_however_much_is_done_beyond_it() -> None:
    tracker = Tracker(Mark(watermark=0, done=frozenset(range(1, 65))))

    tracker.take(0)

    assert tracker.may_start(0)


def test_a_start_handed_over_is_not_counted() -> None:
    tracker = Tracker(Mark(watermark=0, starts={0: 1}))
    tracker.take(0)
    tracker.take(1)
    tracker.start(0)
    tracker.start(1)

    parting = tracker.handed_over()
    tracker.hand_over(0)

    assert parting.starts == {0: 1}
    assert tracker.mark().starts == {0: 1, 1: 1}


def test_what_another_member_finished_meanwhile_is_no_longer_in_hand() -> None:
    tracker = Tracker(Mark(watermark=0))
    for offset in range(6):
        tracker.take(offset)
    tracker.start(4)

    finished = tracker.merge(Mark(watermark=2, done=frozenset({4}), starts={5: 2}))

    assert finished == {0, 1, 4}
    assert tracker.watermark == 2
    assert tracker.starts(5) == 2


def test_our_own_start_is_not_counted_twice_when_its_commit_comes_back() -> None:
    tracker = Tracker(Mark(watermark=0))
    tracker.take(0)
    tracker.start(0)

    for _ in range(5):
        tracker.merge(tracker.mark())

    assert tracker.mark().starts == {0: 1}


def test_another_members_lower_commit_does_not_undo_ours() -> None:
    tracker = Tracker(Mark(watermark=0))
    for offset in range(3):
        tracker.take(offset)
        tracker.start(offset)
        tracker.finish(offset)

    tracker.merge(Mark(watermark=1))

    assert tracker.watermark == 3


class Log:
    """The model: a log, and the one thing that outlives a worker, its last commit."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.committed = Mark(watermark=0)
        self.finished: set[int] = set()
        self.deaths = dict.fromkeys(range(length), 0)


@given(st.data(), st.integers(1, 10), st.integers(1, 4))
def test_nothing_is_lost_and_every_death_is_counted_wherever_workers_die(
    data: st.DataObject, length: int, slots: int
) -> None:
    log = Log(length)

    for _ in range(data.draw(st.integers(0, 4))):
        run_worker(log, data, slots, steps=data.draw(st.integers(0, 25)))
        assert all(offset in log.finished for offset in range(log.committed.watermark))
        assert log.committed.done <= log.finished
        for offset in range(log.committed.watermark, length):
            if offset not in log.committed.done:
                assert log.committed.starts.get(offset, 0) == log.deaths[offset]
    run_worker(log, data, slots, steps=None)

    assert log.finished == set(range(length))
    assert log.committed.watermark == length


def run_worker(log: Log, data: st.DataObject, slots: int, *, steps: int | None) -> None:
    """Work in any order until all is done, or die after so many steps; finishes are committed or not."""
    tracker = Tracker(decode(log.committed.watermark, encode(log.committed)))
    begun: set[int] = set()
    in_hand: set[int] = set()
    step = 0
    while steps is None or step < steps:
        step += 1
        waiting = tracker.next if tracker.next < log.length else None
        moves = ["finish"] * bool(in_hand) + ["start"] * (waiting is not None and len(in_hand) < slots)
        if not moves:
            break
        if data.draw(st.sampled_from(moves)) == "start" and waiting is not None:
            if tracker.take(waiting):
                tracker.start(waiting)
                log.committed = tracker.mark()  # the start is committed before the work begins
                begun.add(waiting)
                in_hand.add(waiting)
        else:
            offset = data.draw(st.sampled_from(sorted(in_hand)))
            log.finished.add(offset)
            in_hand.discard(offset)
            tracker.finish(offset)
            if data.draw(st.booleans()):
                log.committed = tracker.mark()
    if steps is None:
        log.committed = tracker.mark()
        return
    for offset in begun:
        if offset >= log.committed.watermark and offset not in log.committed.done:
            log.deaths[offset] += 1
