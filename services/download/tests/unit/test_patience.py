"""How long a failing source is given, and that what the source itself asks for is honoured and bounded."""

import asyncio
from email.utils import formatdate

import pytest
from cinelog_common.clock import ManualClock
from cinelog_common.errors import TransientError
from cinelog_download.adapters.patience import Patience, broken_off
from cinelog_download.domain.answers import refusal_by_status, retry_after_s
from cinelog_download.domain.blips import RetryPolicy
from cinelog_download.domain.limits import FetchPolicy

RETRIES = RetryPolicy(attempts=4, first_s=0.5, most_s=8.0)
POLICY = FetchPolicy(retries=RETRIES, stall_bytes=1000)
CLOCK = ManualClock()


class Sleeper:
    """Moves the clock instead of waiting."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._clock.advance(seconds)


def sat_out(*errors: TransientError, gained: int = 0) -> list[float]:
    """Return how long each of these failures in a row was waited for."""
    sleeper = Sleeper(ManualClock())
    patience = Patience(POLICY, "part", sleep=sleeper)

    async def run() -> None:
        for error in errors:
            await patience.sit_out(error, gained=gained)

    asyncio.run(run())
    return sleeper.slept


def busy(retry_after: str | None) -> TransientError:
    """Return the error of a 503 with this `Retry-After`, as the client makes it."""
    error = refusal_by_status(503, "site.example", retry_after_s(retry_after, CLOCK.now()))
    assert isinstance(error, TransientError)
    return error


def date_in(seconds: float) -> str:
    """Return the HTTP date of so many seconds from now."""
    return formatdate(CLOCK.now() + seconds, usegmt=True)


@pytest.mark.parametrize("asked", ["1", " 1 ", date_in(1)])
def test_a_short_retry_after_is_waited_for_exactly(asked: str) -> None:
    assert sat_out(busy(asked)) == [1.0]


@pytest.mark.parametrize("asked", ["0", date_in(0), date_in(-3600)])
def test_a_site_that_asks_for_no_wait_is_not_hurried_either(asked: str) -> None:
    assert sat_out(busy(asked), busy(asked)) == [0.5, 1.0]


@pytest.mark.parametrize("asked", [None, "-5", "1.5", "soon", "1e9", "NaN", "\u0661", "", "0x10"])
def test_a_retry_after_that_makes_no_sense_changes_nothing(asked: str | None) -> None:
    assert sat_out(busy(asked), busy(asked), busy(asked)) == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    "asked",
    ["9", "31536000", "9" * 400, date_in(60), date_in(40 * 365 * 86400), "Fri, 31 Dec 9999 23:59:59 GMT"],
)
def test_a_long_retry_after_is_not_waited_for_here_and_never_longer_than_six_hours(asked: str) -> None:
    error = busy(asked)

    with pytest.raises(TransientError) as caught:
        sat_out(error)

    assert caught.value is error
    assert error.retry_after_s is not None
    assert RETRIES.most_s < error.retry_after_s <= 6 * 3600.0


def test_a_site_that_always_asks_for_a_moment_more_is_given_up_in_the_end() -> None:
    with pytest.raises(TransientError):
        sat_out(*[busy("1")] * RETRIES.attempts)


def test_only_bytes_that_count_begin_the_waits_anew() -> None:
    error = broken_off("it stopped sending")

    assert sat_out(*[error] * 6, gained=POLICY.stall_bytes) == [0.5] * 6
    with pytest.raises(TransientError):
        sat_out(*[error] * 6, gained=POLICY.stall_bytes - 1)
