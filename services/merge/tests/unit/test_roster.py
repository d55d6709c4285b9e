import asyncio

from cinelog_common.contract.events import JobRequested
from cinelog_common.contract.values import Source
from cinelog_merge.domain.state import Ending, LedgerState, RunState, encode_state
from cinelog_merge.roster import Roster


def _state(job: str, run: RunState | None = None) -> LedgerState:
    request = JobRequested(job=job, source=Source(url="http://example.org/a.mp4"))
    return LedgerState(job=job, request=request, current=run or RunState())


OVER = RunState(ending=Ending(outcome="completed", at=(0, 1), at_ms=0))


def test_a_job_is_listed_until_it_is_over() -> None:
    roster = Roster()

    roster.note(_state("a"))
    roster.note(_state("b"))
    roster.note(_state("a", OVER))

    assert [job.job for job in roster] == ["b"]


def test_a_job_of_which_only_later_events_are_known_is_not_open_yet() -> None:
    roster = Roster()

    roster.note(LedgerState(job="a"))

    assert len(roster) == 0


def test_after_a_recovery_the_list_is_what_the_table_holds() -> None:
    roster = Roster()
    roster.note(_state("elsewhere-now"))
    kept = [(f"job-{n}", encode_state(_state(f"job-{n}", OVER if n % 2 else None))) for n in range(500)]

    asyncio.run(roster.reset([*kept, ("broken", b"\x00")]))

    assert len(roster) == 250
