"""What becomes of a run whose state is larger than the log takes: it fails, instead of standing still."""

from cinelog_common.contract.values import Failure
from cinelog_common.errors import Category
from msgspec.structs import replace

from cinelog_merge.domain.state import LedgerState, LogTime, RunState, Setback, kind_and_work, slot_of

_SLOT = slot_of("keep", "")


def overflown(state: LedgerState, at: LogTime, message: str) -> LedgerState:
    """Return `state` without what made it large, and with the reason for its run's end.

    Args:
        state: What is known, with or without the fact that did not fit.
        at: Where that fact lies.
        message: What was too large, in one sentence.
    """
    run = state.current
    ends = {slot: flight for slot, flight in run.in_flight.items() if kind_and_work(slot)[0] == "publish"}
    failure = Failure(
        category=Category.LIMIT_EXCEEDED,
        message=f"The job has become too large to keep track of: {message[:500]}",
        action="Try longer segments, or a source with less text beside its media.",
    )
    setback = Setback(attempt=1, failure=failure, permanent=True, at=at.place, at_ms=at.append_ms)
    current = RunState(
        cancelled=run.cancelled,
        ending=run.ending,
        in_flight=ends,
        lost=run.lost & {flight.command_id for flight in ends.values()},
        setbacks={_SLOT: setback},
    )
    return replace(
        state,
        version=max(state.version, at.place),
        updated_ms=max(state.updated_ms, at.append_ms),
        current=current,
    )
