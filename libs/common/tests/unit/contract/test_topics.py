"""Topics: who works on them, and that a deployment has every one it needs."""

import pytest
from cinelog_common.contract import topics
from cinelog_common.kafka.slots import Priority
from cinelog_common.worker import WorkerSpec


@pytest.mark.parametrize(
    ("topic", "group"),
    [
        (topics.WORK_FETCH, "cinelog-download"),
        (topics.WORK_MERGE, "cinelog-merge"),
        (topics.WORK_PUBLISH, "cinelog-storage"),
        ("cinelog.work.encode.cpu.bulk", "cinelog-transcode-cpu"),
        ("cinelog.work.encode.nvidia.high", "cinelog-transcode-nvidia"),
    ],
)
def test_every_work_topic_has_one_group(topic: str, group: str) -> None:
    assert topics.group_of(topic) == group


@pytest.mark.parametrize(
    "topic", [topics.EVENTS, topics.STATUS, "cinelog.work.encode..high", "cinelog.work.encode.cpu", "", "x"]
)
def test_what_is_no_work_topic_has_no_group(topic: str) -> None:
    with pytest.raises(ValueError, match="is no work topic"):
        topics.group_of(topic)


def test_a_worker_joins_the_group_that_the_ledger_asks_after() -> None:
    for pool in topics.POOLS:
        names = [topics.work_encode(pool, priority) for priority in topics.PRIORITIES]
        spec = WorkerSpec(service="transcode", topics=dict.fromkeys(names, Priority.NORMAL), slots=1)

        assert {topics.group_of(name) for name in names} == {spec.group}


def test_a_worker_of_two_groups_is_a_mistake() -> None:
    spec = WorkerSpec(
        service="x",
        topics={topics.WORK_FETCH: Priority.NORMAL, topics.WORK_MERGE: Priority.NORMAL},
        slots=1,
    )

    with pytest.raises(ValueError, match="2 groups"):
        _ = spec.group


def test_every_work_topic_of_a_deployment_is_worked_on() -> None:
    wanted = topics.topics(partitions=3, pools=topics.POOLS)

    work = [topic.name for topic in wanted if topic.name.startswith("cinelog.work.")]
    groups = {topics.group_of(name) for name in work}

    assert len(work) == 3 + len(topics.POOLS) * len(topics.PRIORITIES)
    assert len(groups) == 3 + len(topics.POOLS)


def test_names_are_unique_and_a_job_lies_in_the_partition_of_its_events() -> None:
    wanted = topics.topics(partitions=7)

    by_name = {topic.name: topic for topic in wanted}

    assert len(by_name) == len(wanted)
    assert by_name[topics.EVENTS].partitions == by_name[topics.LEDGER_CHANGELOG].partitions == 7
    assert by_name[topics.STATUS].cleanup == by_name[topics.CONTROL].cleanup == "compact"
