import asyncio

import pytest
from cinelog_common.errors import PermanentError
from cinelog_common.kafka.offsets import decode
from cinelog_common.kafka.records import Committed, Partition
from cinelog_common.kafka.slots import Priority
from cinelog_common.kafka.work import Ending
from cinelog_testkit.desks import GROUP, P0, TOPIC, Desk, hurry, run, until, world


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def test_work_that_is_done_is_committed() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            desk.open = True
            await w.send(b"a", b"b", b"c")

            queue = await w.work(desk, slots=2)

            await until(lambda: w.committed().offset == 3)
            assert sorted(desk.ended) == [b"a", b"b", b"c"]
            assert queue.state().finished == 3

    run(test)


def test_a_start_is_committed_before_the_work_begins() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"a")

            await w.work(desk)

            await until(lambda: desk.begun == [b"a"])
            assert w.start_counts() == {0: 1}
            assert w.committed().offset == 0

    run(test)


def test_no_work_begins_while_its_start_cannot_be_committed() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            queue = await w.work(desk)
            await until(lambda: queue.state().partitions == 1)
            w.log.refusing_commits = True

            await w.send(b"a")

            await until(lambda: queue.state().running == 1)
            for _ in range(50):
                await asyncio.sleep(0)
            assert desk.begun == []
            w.log.refusing_commits = False
            await until(lambda: desk.begun == [b"a"])
            assert w.start_counts() == {0: 1}

    run(test)


def test_out_of_order_completion_commits_the_contiguous_part_and_remembers_the_rest() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"a", b"b", b"c")
            await w.work(desk, slots=3)
            await until(lambda: len(desk.begun) == 3)

            desk.finish(b"b", b"c")

            await until(lambda: decode(0, w.committed().metadata).done == {1, 2})
            assert w.committed().offset == 0
            desk.finish(b"a")
            await until(lambda: w.committed().offset == 3)

    run(test)


def test_a_killed_worker_loses_nothing_repeats_only_what_it_had_in_hand_and_is_counted() -> None:
    async def test() -> None:
        async with world() as w:
            first, second = Desk(), Desk()
            await w.send(b"a", b"b", b"c", b"d")
            await w.work(first, slots=3)
            await until(lambda: len(first.begun) == 3)
            first.finish(b"b")
            await until(lambda: decode(0, w.committed().metadata).done == {1})

            await w.kill()
            second.open = True
            await w.work(second, slots=3)

            await until(lambda: w.committed().offset == 4)
            assert sorted(second.ended) == [b"a", b"c", b"d"]
            assert second.starts == {b"a": 1, b"c": 1, b"d": 0}

    run(test)


def test_work_that_killed_its_worker_three_times_is_put_aside_and_the_rest_goes_on() -> None:
    async def test() -> None:
        async with world() as w:
            await w.send(b"bad", b"good")
            for _ in range(3):
                desk = Desk()
                await w.work(desk)
                await until(lambda desk=desk: desk.begun == [b"bad"])  # type: ignore[misc]
                await w.kill()
            last = Desk()
            last.open = True

            queue = await w.work(last)

            await until(lambda: w.committed().offset == 2)
            assert last.poison == [(b"bad", 3)]
            assert last.ended == [b"good"]
            assert queue.state().poisoned == 1

    run(test)


def test_of_work_started_twice_before_only_one_runs_at_a_time_so_that_the_innocent_are_not_blamed() -> None:
    async def test() -> None:
        async with world() as w:
            await w.send(b"a", b"b", b"c")
            for _ in range(2):
                desk = Desk()
                await w.work(desk, slots=3)
                await until(lambda desk=desk: len(desk.begun) == 3)  # type: ignore[misc]
                await w.kill()
            desk = Desk()

            await w.work(desk, slots=3)

            await until(lambda: desk.begun == [b"a"])
            assert w.start_counts() == {0: 3, 1: 2, 2: 2}
            desk.finish(b"a")
            await until(lambda: desk.begun == [b"a", b"b"])
            desk.finish(b"b", b"c")
            await until(lambda: w.committed().offset == 3)
            assert desk.poison == []

    run(test)


def test_an_error_is_told_and_then_committed() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            desk.open = True
            error = PermanentError("no")
            desk.failing = {b"a": error}
            await w.send(b"a", b"b")

            queue = await w.work(desk)

            await until(lambda: w.committed().offset == 2)
            assert desk.errors == [(b"a", error)]
            assert desk.ended == [b"b"]
            assert queue.state().failed == 1

    run(test)


def test_an_error_that_cannot_be_told_is_told_again_and_not_committed_before() -> None:

    async def test() -> None:
        async with world() as w:
            desk = Desk()
            desk.open = True
            desk.hook_failures = 3
            desk.failing = {b"a": RuntimeError("a defect")}
            await w.send(b"a")

            await w.work(desk)

            await until(lambda: w.committed().offset == 1)
            assert [value for value, _ in desk.errors] == [b"a"]
            assert desk.hook_failures == 0

    run(test)


def test_something_cancelled_inside_a_handler_is_an_error_of_the_work() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            desk.open = True
            desk.failing = {b"a": asyncio.CancelledError()}  # type: ignore[dict-item]
            await w.send(b"a")

            await w.work(desk)

            await until(lambda: w.committed().offset == 1)
            assert [value for value, _ in desk.errors] == [b"a"]

    run(test)


def test_cancelled_work_ends_is_finished_and_not_reported_as_an_error() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"job1", b"job2", b"job1")
            queue = await w.work(desk)
            await until(lambda: desk.begun == [b"job1"] and queue.state().waiting == 1)

            cancelled = queue.cancel(lambda record: record.value == b"job1")

            await until(lambda: desk.begun == [b"job1", b"job2"])
            assert cancelled == 1
            assert desk.endings[b"job1"] is Ending.CANCELLED
            await until(lambda: w.committed().offset == 1)
            assert desk.errors == []

    run(test)


def test_waiting_work_that_is_cancelled_never_begins() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"a", b"b", b"c")
            queue = await w.work(desk, slots=2)
            await until(lambda: len(desk.begun) == 2 and queue.state().waiting == 1)

            cancelled = queue.cancel(lambda record: record.value == b"c")
            desk.finish(b"a", b"b")

            await until(lambda: w.committed().offset == 3)
            assert cancelled == 1
            assert sorted(desk.begun) == [b"a", b"b"]

    run(test)


def test_a_member_that_joins_takes_only_lost_partitions_work_with_it() -> None:
    async def test() -> None:
        async with world({TOPIC: 2}) as w:
            first, second = Desk(), Desk()
            await w.send(b"p0", partition=0)
            await w.send(b"p1", partition=1)
            await w.work(first, slots=2)
            await until(lambda: len(first.begun) == 2)

            await w.work(second, slots=2)

            await until(lambda: len(second.begun) == 1)
            moved = second.begun[0]
            kept = b"p0" if moved == b"p1" else b"p1"
            await until(lambda: first.endings == {moved: Ending.LOST})
            assert second.starts == {moved: 0}
            first.finish(kept)
            second.finish(moved)
            await until(lambda: {w.committed(Partition(TOPIC, n)).offset for n in (0, 1)} == {1})
            assert first.begun.count(kept) == 1
            assert first.ended == [kept]

    run(test)


def test_kept_work_runs_once_through_many_rebalances_and_its_start_stays_counted_once() -> None:
    async def test() -> None:
        async with world({TOPIC: 2}) as w:
            desk = Desk()
            await w.send(b"a", b"b", b"c", partition=0)
            queue = await w.work(desk, slots=2)
            await until(lambda: len(desk.begun) == 2)

            for _ in range(11):
                await w.log.rebalance(GROUP)
                await until(lambda: queue.state().partitions == 2 and w.start_counts() == {0: 1, 1: 1})
            desk.finish(b"a", b"b", b"c")

            await until(lambda: w.committed().offset == 3)
            assert sorted(desk.begun) == [b"a", b"b", b"c"]

    run(test)


def test_what_another_member_finished_while_we_were_thought_dead_is_not_done_again() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"a", b"b", b"c")
            await w.work(desk, slots=1)
            await until(lambda: desk.begun == [b"a"])
            desk.open = True

            w.log.committed[GROUP, P0] = Committed(offset=2)
            w.members[0].owned = frozenset()  # its session ran out: what it commits is refused
            await w.log.rebalance(GROUP)

            await until(lambda: w.committed().offset == 3)
            assert desk.ended == [b"c"]
            assert desk.endings[b"a"] is Ending.LOST

    run(test)


def test_the_log_being_out_for_a_while_stops_nothing_for_good() -> None:

    async def test() -> None:
        async with world() as w:
            desk = Desk()
            desk.open = True
            queue = await w.work(desk)
            w.log.down = True
            w.log.wake()
            for _ in range(20):
                await asyncio.sleep(0)
            w.log.down = False

            await w.send(b"a")

            await until(lambda: w.committed().offset == 1)
            assert queue.state().alive

    run(test)


def test_a_log_made_anew_under_its_name_is_read_from_its_new_start() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            desk.open = True
            await w.send(b"a", b"b")
            await w.work(desk)
            await until(lambda: w.committed().offset == 2)

            w.members[0].seek(P0, 0)  # what the client does when the broker says "out of range"

            await until(lambda: len(desk.ended) == 4)
            assert desk.ended == [b"a", b"b", b"a", b"b"]

    run(test)


def test_urgent_work_overtakes_what_waits() -> None:
    topics = {"bulk": Priority.BULK, "normal": Priority.NORMAL, "high": Priority.HIGH}

    async def test() -> None:
        async with world(dict.fromkeys(topics, 1)) as w:
            desk = Desk()
            for n in range(4):
                await w.send(b"bulk%d" % n, topic="bulk")
                await w.send(b"normal%d" % n, topic="normal")
            await w.work(desk, slots=2, topics=topics)
            await until(lambda: len(desk.begun) == 1)

            await w.send(b"high", topic="high")

            await until(lambda: len(desk.begun) == 2)
            assert desk.begun[1] == b"high"

    run(test)


def test_the_partitions_of_a_class_take_turns() -> None:
    async def test() -> None:
        async with world({TOPIC: 2}) as w:
            desk = Desk()
            desk.open = True
            await w.send(*(b"a%d" % n for n in range(6)), partition=0)
            await w.send(*(b"b%d" % n for n in range(6)), partition=1)

            await w.work(desk, slots=2)

            await until(lambda: len(desk.ended) == 12)
            first = [value[:1] for value in desk.ended[:6]]
            assert 2 <= first.count(b"a") <= 4

    run(test)


def test_no_more_waits_in_hand_than_there_are_slots() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(*(b"%d" % n for n in range(50)))

            queue = await w.work(desk, slots=3)

            await until(lambda: len(desk.begun) == 3)
            for _ in range(50):
                await asyncio.sleep(0)
            assert queue.state().waiting == 3

    run(test)


def test_a_queue_whose_topic_is_missing_does_not_start() -> None:
    async def test() -> None:
        async with world() as w:
            with pytest.raises(Exception, match="topic"):
                await w.work(Desk(), topics={"other": Priority.NORMAL})

    run(test)


def test_a_queue_that_is_made_smaller_ends_what_runs_and_begins_less() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"a", b"b", b"c", b"d")
            queue = await w.work(desk, slots=3)
            await until(lambda: desk.begun == [b"a", b"b", b"c"])

            queue.resize(1)
            desk.finish(b"a", b"b")
            await until(lambda: queue.state().running == 1)
            assert len(desk.ended) == 2
            assert desk.begun == [b"a", b"b", b"c"]
            desk.finish(b"c")
            await until(lambda: desk.begun[-1] == b"d")
            queue.resize(2)
            await w.send(b"e")

            await until(lambda: desk.begun[-1] == b"e")
            assert queue.state().running == 2

    run(test)
