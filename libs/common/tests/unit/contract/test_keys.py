"""Object keys: apart for what differs, below their run, and sound for every store."""

import pytest
from cinelog_common.contract import keys
from cinelog_common.objects.errors import BadKeyError
from cinelog_common.objects.keys import checked, checked_prefix
from hypothesis import given
from hypothesis import strategies as st

JOB = "00000000-0000-5000-8000-000000000001"
NUMBERS = st.integers(0, 999_999)
HASH = st.text("0123456789abcdef", min_size=16, max_size=16)


@given(
    run=st.integers(1, 10_000),
    n=NUMBERS,
    part=st.integers(0, 999),
    generation=st.integers(0, 99),
    recipe=HASH,
)
def test_every_key_lies_below_its_run_and_is_sound(
    *, run: int, n: int, part: int, generation: int, recipe: str
) -> None:
    prefix = keys.encoded_prefix(JOB, run, recipe, "720p")
    made = [
        keys.plan(JOB, run),
        keys.bundle(JOB, run, n, generation),
        keys.init(JOB, run, recipe=recipe, name="720p", init_hash=recipe),
        keys.segment(prefix, n, part, generation),
        keys.sidecar(prefix, n, generation),
        keys.thumbnails(JOB, run, recipe=recipe, n=n, generation=generation),
        keys.manifest(JOB, run),
    ]

    assert len(set(made)) == len(made)
    assert all(checked(key).startswith(keys.run_prefix(JOB, run)) for key in made)
    for folder in (keys.live_prefix(JOB, run), keys.output_prefix(JOB, run), keys.job_prefix(JOB), prefix):
        assert checked_prefix(folder) == folder


@given(
    one=st.tuples(NUMBERS, st.integers(0, 999), st.integers(0, 99)),
    other=st.tuples(NUMBERS, st.integers(0, 999), st.integers(0, 99)),
)
def test_segments_are_told_apart_and_listed_in_order(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    first, second = (keys.segment("p/", *place) for place in (one, other))

    assert (first == second) == (one == other)
    if one[:2] != other[:2]:
        assert (first < second) == (one[:2] < other[:2])


@pytest.mark.parametrize("job", ["", "..", "../other", "a//b", ".hidden"])
def test_a_job_id_that_is_a_path_is_refused_by_the_store(job: str) -> None:
    with pytest.raises(BadKeyError):
        checked(keys.manifest(job, 1))
