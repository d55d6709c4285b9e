import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest
from cinelog_common.child_channel import Channel
from cinelog_common.children import Child, ChildDiedError, ChildLimits
from cinelog_testkit.waiting import eventually, is_running, within
from hypothesis import given
from hypothesis import strategies as st


async def ask(child: Child, frame: bytes) -> bytes:
    await child.send(frame)
    return await child.receive()


def test_frames_of_all_sizes_come_back_as_they_were() -> None:
    async def work() -> None:
        async with await Child.start("echo_child") as child:
            for size in (0, 1, 65_535, 5_000_000):
                payload = bytes(i % 251 for i in range(size))
                sending = asyncio.create_task(child.send(b"echo " + payload))

                received = await child.receive()

                await sending
                assert received == payload

    within(work())


def test_a_stray_print_does_not_break_the_frames() -> None:
    async def work() -> None:
        async with await Child.start("echo_child") as child:
            assert await ask(child, b"print") == b"printed"
            assert await ask(child, b"echo still in step") == b"still in step"

    within(work())


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGABRT"])
def test_a_child_that_crashes_names_its_signal(name: str) -> None:
    async def work() -> None:
        async with await Child.start("echo_child") as child:
            await child.send(b"die " + name.encode())

            with pytest.raises(ChildDiedError) as caught:
                await child.receive()

            assert caught.value.signal_name == name
            assert caught.value.exit_code is None
            assert not child.alive

    within(work())


def test_a_child_that_exits_leaves_its_code_and_last_words() -> None:
    async def work() -> None:
        async with await Child.start("echo_child") as child:
            await child.send(b"exit 7")

            with pytest.raises(ChildDiedError, match="exited with 7: the last words") as caught:
                await child.receive()

            assert caught.value.exit_code == 7

    within(work())


def test_an_exception_in_the_child_ends_it_with_the_reason() -> None:
    async def work() -> None:
        async with await Child.start("echo_child") as child:
            await child.send(b"raise no such thing")

            with pytest.raises(ChildDiedError, match="ValueError: no such thing"):
                await child.receive()

    within(work())


def test_sending_to_a_dead_child_says_that_it_died() -> None:
    async def work() -> None:
        async with await Child.start("echo_child") as child:
            await child.send(b"exit 3")
            with pytest.raises(ChildDiedError):
                await child.receive()

            with pytest.raises(ChildDiedError, match="exited with 3"):
                await child.send(b"echo anybody there")

    within(work())


def test_a_module_that_does_not_exist_is_a_child_that_died() -> None:
    async def work() -> None:
        async with await Child.start("no_such_module_at_all") as child:
            with pytest.raises(ChildDiedError, match="no_such_module_at_all"):
                await child.receive()

    within(work())


def test_a_hanging_child_is_killed_at_once() -> None:
    async def work() -> None:
        child = await Child.start("echo_child")
        assert await ask(child, b"hang") == b"hanging"
        pid = child.pid

        await child.kill()

        assert not is_running(pid)

    within(work())


def test_killing_a_child_takes_its_own_children_along() -> None:
    async def work() -> None:
        child = await Child.start("echo_child")
        grandchild = int(await ask(child, b"grandchild"))

        await child.kill()

        await eventually(lambda: not is_running(grandchild))

    within(work())


@pytest.mark.skipif(not hasattr(os, "SCHED_FIFO"), reason="no real-time scheduling here")
def test_a_child_cannot_take_the_machine_for_itself() -> None:
    async def work() -> bytes:
        async with await Child.start("echo_child") as child:
            await child.send(b"realtime")
            return await child.receive()

    assert asyncio.run(work()) == b"refused"


def test_limits_niceness_and_environment_reach_the_child() -> None:
    async def work() -> None:
        limits = ChildLimits(address_space_bytes=1 << 31, open_files=64, cpu_s=50)
        async with await Child.start("echo_child", env={"COLOUR": "red"}, limits=limits, nice=3) as child:
            answer = await ask(child, b"limits")

            assert answer == repr(([1 << 31, 64], os.nice(0) + 3, "red")).encode()

    within(work())


def test_a_frame_beyond_the_bound_is_refused_before_it_is_read() -> None:
    async def work() -> None:
        async with await Child.start("echo_child") as child:
            await child.send(b"wall")

            with pytest.raises(ChildDiedError, match="announced a frame of 4294967295 bytes"):
                await child.receive()

    within(work())


def test_a_noisy_child_neither_blocks_nor_fills_memory() -> None:
    async def work() -> None:
        async with await Child.start("echo_child") as child:
            assert await ask(child, b"noise") == b"loud"

    within(work())


def test_a_child_with_unread_frames_can_be_killed() -> None:
    async def work() -> None:
        child = await Child.start("echo_child")
        assert await ask(child, b"flood") == b"flooding"

        await child.kill()

        assert not is_running(child.pid)

    within(work())


def test_a_child_can_be_killed_while_another_task_waits_for_it() -> None:
    async def work() -> None:
        child = await Child.start("echo_child")
        await ask(child, b"hang")
        waiting = asyncio.create_task(child.receive())
        await asyncio.sleep(0)

        await child.kill()

        with pytest.raises(ChildDiedError, match="SIGKILL"):
            await waiting

    within(work())


def test_programs_that_a_child_starts_do_not_read_its_frames() -> None:
    async def work() -> None:
        async with await Child.start("echo_child") as child:
            await child.send(b"stdin")
            await child.send(b"echo mine")

            assert await child.receive() == b""
            assert await child.receive() == b"mine"

    within(work())


def test_a_cancelled_receive_can_be_taken_up_again() -> None:
    async def work() -> None:
        async with await Child.start("echo_child") as child:
            receiving = asyncio.create_task(child.receive())
            await asyncio.sleep(0)
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

            assert await ask(child, b"echo in step") == b"in step"

    within(work())


def test_children_die_with_a_parent_that_is_killed() -> None:
    script = (
        "import asyncio\n"
        "from cinelog_common.children import Child\n"
        "async def main():\n"
        "    child = await Child.start('echo_child')\n"
        "    await child.send(b'hang'); await child.receive()\n"
        "    print(child.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())

        parent.send_signal(signal.SIGKILL)
        parent.wait()

        asyncio.run(eventually(lambda: not is_running(pid)))


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_whatever_is_sent_over_a_channel_is_received(payloads: list[bytes]) -> None:
    source, sink = os.pipe()
    try:
        sending, receiving = Channel(source=source, sink=sink), Channel(source=source, sink=sink)
        for payload in payloads:
            sending.send(payload)
        os.close(sink)
        sink = -1

        received = list(iter(receiving.receive, None))

        assert received == payloads
    finally:
        os.close(source)
        if sink >= 0:
            os.close(sink)


def test_the_child_side_imports_nothing_heavy() -> None:
    script = "import sys; import cinelog_common.child_start; print(*sorted(sys.modules))"

    modules = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout

    assert not {"asyncio", "loguru", "msgspec", "pydantic", "av"} & set(modules.split())


def test_a_channel_without_news_is_not_ready() -> None:
    source, sink = os.pipe()
    try:
        channel = Channel(source=source, sink=sink)
        before = channel.ready()
        channel.send(b"news")

        assert (before, channel.ready(time.get_clock_info("monotonic").resolution)) == (False, True)
    finally:
        os.close(source)
        os.close(sink)
