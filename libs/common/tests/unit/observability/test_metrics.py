import pytest
from cinelog_common.metrics import Kind, Metric, Metrics
from hypothesis import given
from hypothesis import strategies as st

DONE = Metric(
    name="cinelog_jobs_done_total",
    kind=Kind.COUNTER,
    meaning="Jobs that ended.",
    when_high="nothing, this is the work.",
    labels={"outcome": ("completed", "failed")},
)
BUSY = Metric(
    name="cinelog_slots_busy", kind=Kind.GAUGE, meaning="Slots at work.", when_high="add workers to the pool."
)
ENCODING = Metric(
    name="cinelog_encode_seconds",
    kind=Kind.HISTOGRAM,
    meaning="Time to encode a segment.",
    when_high="look for other load on the machine.",
    labels={"pool": ("cpu",)},
    buckets=(0.1, 1.0),
)


def test_what_was_counted_is_exposed_with_what_to_do_about_it() -> None:
    metrics = Metrics()

    metrics.add(DONE, outcome="completed")
    metrics.add(DONE, 2, outcome="failed")
    metrics.set(BUSY, 3)
    metrics.add(BUSY, -1)
    metrics.observe(ENCODING, 0.5, pool="cpu")

    text = metrics.exposition().decode()
    assert "# HELP cinelog_jobs_done_total Jobs that ended. When high: nothing, this is the work." in text
    assert 'cinelog_jobs_done_total{outcome="completed"} 1.0' in text
    assert 'cinelog_jobs_done_total{outcome="failed"} 2.0' in text
    assert "cinelog_slots_busy 2.0" in text
    assert 'cinelog_encode_seconds_bucket{le="0.1",pool="cpu"} 0.0' in text
    assert 'cinelog_encode_seconds_bucket{le="1.0",pool="cpu"} 1.0' in text
    assert "process_resident_memory_bytes" in text


@given(st.lists(st.text(), max_size=30))
def test_a_label_never_grows_beyond_what_was_declared(values: list[str]) -> None:
    metrics = Metrics()

    for value in values:
        metrics.add(DONE, outcome=value)

    lines = metrics.exposition().decode().splitlines()
    assert sum(line.startswith("cinelog_jobs_done_total{") for line in lines) <= 3


def test_a_declared_metric_is_there_before_anything_happened() -> None:
    metrics = Metrics()

    metrics.declare(BUSY, BUSY)

    assert "cinelog_slots_busy 0.0" in metrics.exposition().decode()


def test_two_processes_of_one_program_do_not_share_their_numbers() -> None:
    one, two = Metrics(), Metrics()

    one.set(BUSY, 5)
    two.declare(BUSY)

    assert "cinelog_slots_busy 0.0" in two.exposition().decode()


def test_one_name_has_one_declaration() -> None:
    metrics = Metrics()
    metrics.declare(BUSY)
    other = Metric(name=BUSY.name, kind=Kind.GAUGE, meaning="Something else.", when_high="wonder.")

    with pytest.raises(ValueError, match="declared twice"):
        metrics.declare(other)


def test_labels_are_all_given_and_no_others() -> None:
    metrics = Metrics()

    with pytest.raises(ValueError, match="has the labels"):
        metrics.add(DONE)
    with pytest.raises(ValueError, match="has the labels"):
        metrics.add(DONE, outcome="failed", job="1234")


@pytest.mark.parametrize(
    ("name", "kind", "when_high"),
    [
        ("jobs_total", Kind.COUNTER, "x"),
        ("cinelog_jobs", Kind.COUNTER, "x"),
        ("cinelog_jobs_total", Kind.GAUGE, "x"),
        ("cinelog_jobs", Kind.GAUGE, ""),
        ("cinelog_Jobs", Kind.GAUGE, "x"),
    ],
)
def test_a_declaration_that_helps_nobody_is_refused(name: str, kind: Kind, when_high: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)jobs"):
        Metric(name=name, kind=kind, meaning="Jobs.", when_high=when_high)
