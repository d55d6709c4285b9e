from cinelog_merge.told import Told


def test_what_was_told_is_known_until_something_else_is_told() -> None:
    told: Told[str] = Told()
    assert not told.knows("job-1", "run", generation=1)

    told.note("job-1", "run")

    assert told.knows("job-1", "run", generation=1)
    assert not told.knows("job-1", "cancelled", generation=1)


def test_a_new_generation_knows_nothing() -> None:
    told: Told[str] = Told()
    told.knows("job-1", "run", generation=1)
    told.note("job-1", "run")

    assert not told.knows("job-1", "run", generation=2)


def test_the_oldest_are_forgotten_beyond_the_limit() -> None:
    told: Told[bool] = Told(limit=2)
    told.knows("a", True, generation=1)

    for subject in ("a", "b", "a", "c"):
        told.note(subject, True)

    assert [subject for subject in "abc" if told.knows(subject, True, generation=1)] == ["a", "c"]
