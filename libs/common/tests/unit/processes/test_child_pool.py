import asyncio

import pytest
from cinelog_common.child_pool import ChildPool
from cinelog_common.children import Child, ChildOptions
from cinelog_testkit.waiting import eventually, is_running, within


async def ask(child: Child, frame: bytes) -> bytes:
    await child.send(frame)
    return await child.receive()


def test_a_pool_reuses_a_warm_child() -> None:
    async def work() -> None:
        async with ChildPool("echo_child", size=2) as pool:
            async with pool.child() as child:
                first = await ask(child, b"pid")
            async with pool.child() as child:
                assert await ask(child, b"pid") == first

    within(work())


def test_a_pool_that_was_warmed_hands_out_what_was_started_before() -> None:
    async def work() -> None:
        async with ChildPool("echo_child", size=3) as pool:
            async with pool.child() as busy:
                await pool.warm(2)
                async with pool.child() as warmed:
                    pids = {busy.pid, warmed.pid}
            await pool.warm(2)
            async with pool.child() as one, pool.child() as other:
                assert {one.pid, other.pid} == pids

    within(work())


def test_a_pool_is_warmed_beside_other_work() -> None:
    async def work() -> None:
        async with ChildPool("echo_child", size=2) as pool:
            pool.warm_later(1, 0.0)
            await eventually(lambda: len(pool._idle) == 1)

    within(work())


def test_a_pool_that_is_closed_before_its_time_starts_nothing() -> None:
    async def work() -> None:
        pool = ChildPool("echo_child", size=2)
        pool.warm_later(1, 60.0)

        await pool.close()

        assert not pool._idle

    within(work())


def test_a_pool_that_is_closed_is_not_warmed() -> None:
    async def work() -> None:
        pool = ChildPool("echo_child", size=2)
        await pool.close()

        await pool.warm(2)

        assert not pool._idle

    within(work())


def test_a_pool_never_runs_more_children_than_its_size() -> None:
    async def work() -> None:
        taken: set[int] = set()
        most = 0

        async def task(pool: ChildPool) -> None:
            nonlocal most
            async with pool.child() as child:
                taken.add(child.pid)
                most = max(most, len(taken))
                await ask(child, b"echo")
                taken.discard(child.pid)

        async with ChildPool("echo_child", size=2) as pool:
            await asyncio.gather(*(task(pool) for _ in range(8)))

        assert most == 2

    within(work())


def test_a_child_whose_task_failed_is_retired() -> None:
    async def work() -> None:
        async with ChildPool("echo_child", size=1, options=ChildOptions(nice=1)) as pool:
            pids = []

            async def fail() -> None:
                async with pool.child() as child:
                    pids.append(child.pid)
                    raise RuntimeError("lost interest")

            with pytest.raises(RuntimeError, match="lost interest"):
                await fail()

            async with pool.child() as child:
                assert child.pid not in pids
                assert not is_running(pids[0])

    within(work())


def test_a_cancelled_task_kills_its_child_and_frees_the_slot() -> None:
    async def work() -> None:
        async with ChildPool("echo_child", size=1) as pool:
            hanging = asyncio.Event()

            async def hang() -> None:
                async with pool.child() as child:
                    await ask(child, b"hang")
                    hanging.set()
                    await child.receive()

            task = asyncio.create_task(hang())
            await hanging.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

            async with pool.child() as child:
                assert await ask(child, b"echo free") == b"free"

    within(work())


def test_an_idle_child_ends_by_itself() -> None:
    async def work() -> None:
        async with ChildPool("echo_child", size=1, idle_s=0.05) as pool:
            async with pool.child() as child:
                await ask(child, b"echo")
                pid = child.pid

            await eventually(lambda: not is_running(pid))

            async with pool.child() as child:
                assert child.pid != pid

    within(work())


def test_a_closed_pool_leaves_no_process_behind() -> None:
    async def work() -> None:
        pool = ChildPool("echo_child", size=1)
        async with pool.child() as child:
            await ask(child, b"echo")
            pid = child.pid

        await pool.close()

        assert not is_running(pid)

    within(work())
