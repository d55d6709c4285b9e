"""Every worker gets its share of every topic, and keeps what it has."""

from collections import Counter

from cinelog_common.kafka.assignor import Claim, deal
from cinelog_common.kafka.records import Partition
from hypothesis import given
from hypothesis import strategies as st

TOPICS = {"bulk": 4, "high": 4, "normal": 4}


def partitions(topics: dict[str, int]) -> list[Partition]:
    return [Partition(topic, number) for topic, count in topics.items() for number in range(count)]


def claims(dealt: dict[str, list[Partition]], *, generation: int, topics: dict[str, int]) -> dict[str, Claim]:
    return {
        member: Claim(topics=frozenset(topics), owned=tuple(owned), generation=generation)
        for member, owned in dealt.items()
    }


def shares(dealt: dict[str, list[Partition]], topic: str) -> list[int]:
    return [sum(partition.topic == topic for partition in owned) for owned in dealt.values()]


def test_a_second_worker_gets_half_of_every_topic() -> None:
    alone = deal(partitions(TOPICS), {"a": Claim(topics=frozenset(TOPICS))})
    both = {**claims(alone, generation=1, topics=TOPICS), "b": Claim(topics=frozenset(TOPICS))}

    dealt = deal(partitions(TOPICS), both)

    assert all(shares(dealt, topic) == [2, 2] for topic in TOPICS)
    assert set(dealt["a"]) < set(alone["a"])


def test_what_does_not_divide_evenly_is_spread_over_the_members() -> None:
    topics = {"one": 1, "two": 1, "three": 1}

    dealt = deal(partitions(topics), {name: Claim(topics=frozenset(topics)) for name in "abc"})

    assert sorted(map(len, dealt.values())) == [1, 1, 1]


def test_a_member_that_was_away_does_not_take_back_what_others_have_had_since() -> None:
    topics = {"work": 2}
    one, two = partitions(topics)
    everybody = {
        "zombie": Claim(topics=frozenset(topics), owned=(one, two), generation=1),
        "b": Claim(topics=frozenset(topics), owned=(one,), generation=3),
        "c": Claim(topics=frozenset(topics), owned=(two,), generation=3),
    }

    dealt = deal([one, two], everybody)

    assert dealt == {"zombie": [], "b": [one], "c": [two]}


def test_a_topic_goes_only_to_those_who_want_it() -> None:
    topics = {"mine": 3, "yours": 3}

    dealt = deal(
        partitions(topics),
        {"me": Claim(topics=frozenset({"mine"})), "you": Claim(topics=frozenset({"yours"}))},
    )

    assert {partition.topic for partition in dealt["me"]} == {"mine"}
    assert {partition.topic for partition in dealt["you"]} == {"yours"}


counts = st.dictionaries(st.sampled_from("pqrst"), st.integers(1, 9), min_size=1)
names = st.sets(st.sampled_from("abcdefg"), min_size=1)


@given(counts, names, names)
def test_whoever_comes_and_goes_all_is_dealt_once_evenly_and_then_stays(
    topics: dict[str, int], before: set[str], after: set[str]
) -> None:
    everything = partitions(topics)
    wanted = Claim(topics=frozenset(topics))
    first = claims(deal(everything, dict.fromkeys(sorted(before), wanted)), generation=1, topics=topics)

    second = deal(everything, {member: first.get(member, wanted) for member in sorted(after)})
    third = deal(everything, claims(second, generation=2, topics=topics))

    assert Counter(p for owned in second.values() for p in owned) == Counter(everything)
    for topic in topics:
        assert max(shares(second, topic)) - min(shares(second, topic)) <= 1
    assert max(map(len, second.values())) - min(map(len, second.values())) <= 1
    assert third == second
