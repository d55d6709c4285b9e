"""Progress for people: lines where there is no terminal, and what they say."""

import pytest
from cinelog.display import Display
from cinelog_common.contract.status import JobStatus, Progress
from cinelog_common.contract.values import Failure
from msgspec.structs import replace

STATUS = JobStatus(job="j", run=1, state="fetching", version=(1, 1), fraction=0.0)
FETCH = Progress(job="j", run=1, stage="fetch", done=5e6, total=20e6, unit="bytes", at_ms=0)


def test_a_line_is_printed_when_the_state_changes_and_not_at_every_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = Display(verbose=False)

    display.show(None, {})
    display.show(STATUS, {"fetch": FETCH})
    display.show(replace(STATUS, fraction=0.1), {"fetch": FETCH})
    encoding = replace(STATUS, state="encoding", fraction=0.45, units_ready=3, units_encoded=1)
    display.show(encoding, {})
    display.show(replace(encoding, state="assembling", fraction=0.92, units=3, units_encoded=3), {})
    display.close()

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "  0 %  fetching, 5.0 of 20.0 MB in",
        " 45 %  encoding, 1 of 3+ segments",
        " 92 %  assembling, 3 of 3 segments",
    ]


def test_a_fetch_of_unknown_or_finished_length_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    for progress in (replace(FETCH, total=None), replace(FETCH, done=20e6)):
        Display(verbose=False).show(STATUS, {"fetch": progress})

    assert capsys.readouterr().err == "  0 %  fetching\n" * 2


def test_a_run_that_cannot_end_yet_says_why_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    full = Failure(category="no_space", message="The disk is full.", action="Free some space.")

    Display(verbose=False).show(replace(STATUS, state="failing", error=full), {})
    Display(verbose=False).show(replace(STATUS, state="failed", error=full), {})

    assert capsys.readouterr().err.splitlines() == [
        "  0 %  failing, The disk is full. Free some space.",
        "  0 %  failed",
    ]
