import asyncio

import pytest
from cinelog_common.tracing import continued, current_traceparent
from hypothesis import given
from hypothesis import strategies as st

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_outside_of_work_there_is_no_trace() -> None:
    assert current_traceparent() is None


def test_work_goes_on_in_the_trace_it_was_sent_with() -> None:
    with continued(TRACE):
        inside = current_traceparent()

    assert inside == TRACE
    assert current_traceparent() is None


def test_work_without_a_trace_begins_one() -> None:
    with continued(None):
        first = current_traceparent()
    with continued(None):
        second = current_traceparent()

    assert first is not None
    assert second is not None
    assert first != second
    assert first.startswith("00-")
    assert len(first) == len(TRACE)


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nonsense",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-zzf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ],
)
def test_a_broken_trace_is_replaced(traceparent: str) -> None:
    with continued(traceparent):
        inside = current_traceparent()

    assert inside is not None
    assert inside != traceparent


@given(st.text(max_size=80))
def test_whatever_arrives_work_has_a_sound_trace(traceparent: str) -> None:
    with continued(traceparent):
        inside = current_traceparent()

    assert inside is not None
    version, trace, span, flags = inside.split("-")
    assert (version, len(flags)) == ("00", 2)
    assert int(trace, 16) > 0
    assert int(span, 16) > 0


def test_tasks_keep_their_traces_apart() -> None:
    async def work(traceparent: str) -> str | None:
        with continued(traceparent):
            await asyncio.sleep(0)
            return current_traceparent()

    async def both() -> list[str | None]:
        return await asyncio.gather(work(TRACE), work(TRACE.replace("b7", "c8")))

    assert asyncio.run(both()) == [TRACE, TRACE.replace("b7", "c8")]
