"""When a source is another one than at first."""

import msgspec
import pytest
from cinelog_download.domain.fingerprints import InputMark, SourcePlan, difference, fingerprint

MARK = InputMark(format_id="22", size_bytes=1000, version='"a"', head="00ff")


def plan(*marks: InputMark) -> SourcePlan:
    return SourcePlan(fingerprint=fingerprint(marks), inputs=marks, segment_s=4.0, max_segment_s=8.0)


@pytest.mark.parametrize(
    "change", [{"size_bytes": 1001}, {"head": "00fe"}, {"version": '"b"'}, {"format_id": "18"}]
)
def test_every_mark_counts(change: dict[str, object]) -> None:
    other = plan(msgspec.structs.replace(MARK, **change))

    assert difference(plan(MARK), other)
    assert plan(MARK).fingerprint != other.fingerprint


def test_a_size_that_was_not_known_at_first_is_no_difference() -> None:
    unknown = plan(msgspec.structs.replace(MARK, size_bytes=None))

    assert difference(unknown, plan(MARK)) is None
    assert difference(plan(MARK), unknown) is None


def test_pages_may_lead_to_another_mirror() -> None:
    mirror = plan(msgspec.structs.replace(MARK, version='"b"'))

    assert difference(plan(MARK), mirror, by_version=False) is None


def test_the_number_of_files_counts() -> None:
    assert difference(plan(MARK), plan(MARK, MARK)) == "it had 1 files and has 2"
