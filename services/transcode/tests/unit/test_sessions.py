"""What a device's refusals teach, and that a refused unit waits instead of failing."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from cinelog_common.clock import ManualClock
from cinelog_common.errors import TransientError
from cinelog_transcode.adapters.sessions import LimitedEncoder, LimitedMeter, Sessions
from cinelog_transcode.domain.sessions import GROW_AFTER_S, SessionLimit
from cinelog_transcode.domain.tasks import EncodeTask, QualityReport, QualityTask, UnitReport
from cinelog_transcode.ports import OnProgress, RefusedError
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

REPORT = UnitReport(frames=1, start=0, end=1, renditions=())


class Device:
    """Has so many sessions, and refuses the next; a unit ends when the test says so."""

    def __init__(self, sessions: int) -> None:
        self.sessions = sessions
        self.open = 0
        self.most = 0
        self.refusals = 0
        self._go = asyncio.Event()

    async def work(self) -> int:
        if self.open >= self.sessions:
            self.refusals += 1
            raise RefusedError("The encoder h264_nvenc cannot be used here: it does not open.")
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await self._go.wait()
            return self.open
        finally:
            self.open -= 1

    def let_go(self) -> None:
        self._go.set()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def sessions_of(most: int, clock: ManualClock, told: list[int]) -> Sessions:
    return Sessions("nvidia", SessionLimit(most), clock, on_change=told.append)


def heard(scenario: Callable[[], Awaitable[None]]) -> list[str]:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), level="WARNING", format="{message}")
    try:
        asyncio.run(_whole(scenario))
    finally:
        logger.remove(sink)
    return lines


async def _whole(scenario: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(20):
        await scenario()


def test_a_refused_unit_waits_for_another_to_end_and_the_limit_is_told_once() -> None:
    told: list[int] = []
    device = Device(sessions=2)

    async def scenario() -> None:
        sessions = sessions_of(5, ManualClock(), told)
        units = [asyncio.create_task(sessions.run(device.work)) for _ in range(6)]
        await settle()
        assert (sessions.units, device.open) == (2, 2)
        device.let_go()
        assert len(await asyncio.gather(*units)) == 6
        assert sessions.units == 2

    lines = heard(scenario)

    assert lines == [
        "The nvidia device takes 2 at a time: it refused another one, which waited and then got through.\n"
    ]
    assert device.most == 2
    assert told == [2]


def test_what_is_refused_alone_has_failed_and_taught_nothing() -> None:
    told: list[int] = []
    device = Device(sessions=0)

    async def scenario() -> None:
        sessions = sessions_of(3, ManualClock(), told)
        with pytest.raises(RefusedError):
            await sessions.run(device.work)
        assert sessions.units == 3

    assert heard(scenario) == []
    assert told == []


def test_a_size_that_no_device_takes_fails_its_unit_and_leaves_the_limit_as_it_was() -> None:
    told: list[int] = []
    device = Device(sessions=9)
    refusing = Device(sessions=0)

    async def scenario() -> None:
        sessions = sessions_of(3, ManualClock(), told)
        sound = [asyncio.create_task(sessions.run(device.work)) for _ in range(2)]
        await settle()
        odd = asyncio.create_task(sessions.run(refusing.work))
        await settle()
        assert not odd.done()
        device.let_go()
        await asyncio.gather(*sound)
        with pytest.raises(RefusedError):
            await odd
        assert sessions.units == 3

    assert heard(scenario) == []
    assert told[-1] == 3


def test_the_limit_grows_back_one_by_one_when_nothing_was_refused_for_long() -> None:
    clock, told = ManualClock(), list[int]()
    device = Device(sessions=1)

    async def scenario() -> None:
        sessions = sessions_of(3, clock, told)
        units = [asyncio.create_task(sessions.run(device.work)) for _ in range(2)]
        await settle()
        device.let_go()
        await asyncio.gather(*units)
        assert sessions.units == 1
        device.sessions = 9
        for expected in (2, 3, 3):
            clock.advance(GROW_AFTER_S)
            await sessions.run(device.work)
            assert sessions.units == expected

    heard(scenario)

    assert told == [1, 2, 3]


def test_a_unit_that_is_cancelled_gives_its_session_back() -> None:
    device = Device(sessions=9)

    async def scenario() -> None:
        sessions = sessions_of(1, ManualClock(), [])
        first, second = (asyncio.create_task(sessions.run(device.work)) for _ in range(2))
        await settle()
        first.cancel()
        await settle()
        assert device.open == 1
        device.let_go()
        assert await second == 1

    assert heard(scenario) == []


def test_other_failures_are_nobody_s_limit() -> None:
    async def broken() -> int:
        raise TransientError("The encoder reported no progress.")

    async def scenario() -> None:
        sessions = sessions_of(2, ManualClock(), [])
        with pytest.raises(TransientError):
            await sessions.run(broken)
        assert sessions.units == 2

    assert heard(scenario) == []


@given(st.integers(-1, 6), st.lists(st.sampled_from(["refused", "alone", "passed", "later"]), max_size=40))
def test_whatever_is_refused_at_least_one_unit_and_at_most_all_are_let_in(
    most: int, story: list[str]
) -> None:
    limit, now = SessionLimit(most), 0.0

    for step in story:
        match step:
            case "refused":
                assert limit.refused(max(1, limit.units - 1), now)
            case "alone":
                assert not limit.refused(0, now)
            case "passed":
                limit.passed(now)
            case _:
                now += GROW_AFTER_S
                limit.grow(now)
        assert 1 <= limit.units <= max(1, most)


def test_units_and_measurements_share_the_sessions_of_their_device() -> None:
    device = Device(sessions=1)

    class Encoder:
        async def encode(self, task: EncodeTask, on_progress: OnProgress) -> UnitReport:
            await device.work()
            return REPORT

    class Meter:
        async def measure(self, task: QualityTask) -> QualityReport:
            await device.work()
            return QualityReport(values=())

    async def scenario() -> None:
        sessions = sessions_of(2, ManualClock(), [])
        unit = asyncio.create_task(LimitedEncoder(Encoder(), sessions).encode(None, None))  # type: ignore[arg-type]
        await settle()
        measured = asyncio.create_task(LimitedMeter(Meter(), sessions).measure(None))  # type: ignore[arg-type]
        await settle()
        assert device.refusals == 1
        device.let_go()
        assert await unit == REPORT
        assert (await measured).values == ()

    heard(scenario)
