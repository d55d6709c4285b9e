from cinelog_merge.adapters.table_values import frame, place_of, unframe
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 2**40), st.integers(-1, 2**60), st.binary())
def test_a_value_gives_back_its_place_and_its_state(epoch: int, offset: int, state: bytes) -> None:
    value = frame((epoch, offset), state)

    assert place_of(value) == (epoch, offset)
    assert unframe(value) == state


@given(st.binary(max_size=16))
def test_what_is_too_short_is_no_value(value: bytes) -> None:
    assert place_of(value) is None
    assert place_of(None) is None


def test_another_version_is_no_value_of_ours() -> None:
    assert place_of(b"2" + frame((0, 0), b"state")[1:]) is None
