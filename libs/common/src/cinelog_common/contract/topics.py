"""Every topic: its name, how many partitions, how long it keeps what, and who may write it."""

from collections.abc import Sequence

from cinelog_common.contract.values import Value

REQUESTED = "cinelog.jobs.requested"
EVENTS = "cinelog.events"
STATUS = "cinelog.jobs.status"
CONTROL = "cinelog.jobs.control"
PROGRESS = "cinelog.progress"
WORKERS = "cinelog.workers"
DEAD_LETTERS = "cinelog.dlq"
WORK_FETCH = "cinelog.work.fetch"
WORK_MERGE = "cinelog.work.merge"
WORK_PUBLISH = "cinelog.work.publish"
LEDGER_APP = "cinelog-ledger"
LEDGER_CHANGELOG = f"{LEDGER_APP}-jobs-changelog"

PRIORITIES = ("high", "normal", "bulk")
POOLS = ("cpu", "nvidia", "intel", "amd", "apple")

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


_GROUPS = {
    WORK_FETCH: "cinelog-download",
    WORK_MERGE: "cinelog-merge",
    WORK_PUBLISH: "cinelog-storage",
}


class Topic(Value, frozen=True, kw_only=True):
    """One topic as it should be. `retention_ms` None keeps the broker's default."""

    name: str
    partitions: int
    cleanup: str = "delete"
    retention_ms: int | None = None
    max_message_bytes: int = 1_048_588


def work_encode(pool: str, priority: str) -> str:
    """Name the topic of encoding work for one pool and priority."""
    return f"cinelog.work.encode.{pool}.{priority}"


def group_of(topic: str) -> str:
    """Return the consumer group that works on a work topic; a pool's workers are a group of their own.

    Workers join this group and the ledger asks for its offsets: two opinions would make
    every lost command look queued for ever.

    Raises:
        ValueError: Nobody works on it as a group.
    """
    if topic in _GROUPS:
        return _GROUPS[topic]
    prefix, _, rest = topic.partition(".encode.")
    pool, _, priority = rest.partition(".")
    if prefix != "cinelog.work" or not pool or priority not in PRIORITIES:
        raise ValueError(f"{topic} is no work topic")
    return f"cinelog-transcode-{pool}"


def topics(*, partitions: int, pools: Sequence[str] = ("cpu",)) -> tuple[Topic, ...]:
    """Return every topic of a deployment.

    `cinelog.events` and the ledger's changelog have the same partition count:
    table keys live in the partition of their events.
    """

    def work(name: str) -> Topic:
        return Topic(name=name, partitions=partitions, retention_ms=7 * _DAY_MS)

    return (
        Topic(name=REQUESTED, partitions=partitions, retention_ms=7 * _DAY_MS),
        Topic(name=EVENTS, partitions=partitions, retention_ms=7 * _DAY_MS),
        Topic(name=LEDGER_CHANGELOG, partitions=partitions, cleanup="compact"),
        Topic(name=STATUS, partitions=partitions, cleanup="compact"),
        Topic(name=CONTROL, partitions=partitions, cleanup="compact"),
        Topic(name=PROGRESS, partitions=partitions, retention_ms=_HOUR_MS),
        Topic(name=WORKERS, partitions=1, cleanup="compact"),
        Topic(name=DEAD_LETTERS, partitions=1, retention_ms=14 * _DAY_MS),
        work(WORK_FETCH),
        work(WORK_MERGE),
        work(WORK_PUBLISH),
        *(work(work_encode(pool, priority)) for pool in pools for priority in PRIORITIES),
    )
