import asyncio

import pytest
from cinelog_common.kafka.records import Committed
from cinelog_common.kafka.work import Ending
from cinelog_testkit.desks import P0, Desk, hurry, run, until, world


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def test_a_stop_lets_running_work_end_and_hands_over_what_waits() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"a", b"b")
            queue = await w.work(desk)
            await until(lambda: desk.begun == [b"a"])

            stopping = asyncio.create_task(queue.stop(5))
            await asyncio.sleep(0)
            desk.finish(b"a")
            await stopping

            assert desk.ended == [b"a"]
            assert desk.begun == [b"a"]
            assert w.committed() == Committed(offset=1, metadata="1;s=;d=")

    run(test)


def test_work_that_ended_between_two_assignments_is_committed_before_a_stop_leaves_the_group() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"a")
            queue = await w.work(desk)
            await until(lambda: desk.begun == [b"a"])
            await w.members[0].revoke()
            desk.finish(b"a")
            await until(lambda: desk.ended == [b"a"])

            stopping = asyncio.create_task(queue.stop(5))
            for _ in range(5):
                await asyncio.sleep(0)
            w.members[0].assign([P0])
            await stopping

            assert w.committed() == Committed(offset=1, metadata="1;s=;d=")

    run(test)


def test_work_cut_short_by_the_deadline_is_handed_over_without_a_start_counted() -> None:
    async def test() -> None:
        async with world() as w:
            first, second = Desk(), Desk()
            await w.send(b"a")
            queue = await w.work(first)
            await until(lambda: first.begun == [b"a"])

            await queue.stop(0)

            assert first.endings == {b"a": Ending.HANDED_OVER}
            assert w.start_counts() == {}
            second.open = True
            await w.work(second)
            await until(lambda: second.ended == [b"a"])
            assert second.starts == {b"a": 0}

    run(test)


@pytest.mark.parametrize("how", ["cancelled", "lost"])
def test_work_that_ends_before_its_first_step_gives_its_slot_back(how: str) -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            desk.open = True
            queue = await w.work(desk)
            await w.send(b"a")
            await until(lambda: queue.state().running == 1)
            assert desk.begun == []

            if how == "cancelled":
                assert queue.cancel(lambda _: True) == 1
            else:
                w.members[0].assign([])
                w.members[0].assign([P0])

            await until(lambda: queue.state().running == 0)
            await w.send(b"b")
            await until(lambda: desk.ended[-1:] == [b"b"])
            assert desk.ended == ([b"b"] if how == "cancelled" else [b"a", b"b"])
            await until(lambda: w.committed().offset == 2)

    run(test)
