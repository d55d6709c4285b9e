"""Deals the partitions out topic by topic, and leaves them where they are as far as that is even.

aiokafka's sticky assignor evens out the sum over all topics: of two workers one got every partition of
`…encode.cpu.normal` and the other those of `high` and `bulk`, so that one worked and one waited for ever.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from cinelog_common.kafka.records import Partition


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What one member wants, and what it had.

    Attributes:
        topics: Subscribed to.
        owned: Had in the group's generation `generation`.
    """

    topics: frozenset[str]
    owned: tuple[Partition, ...] = ()
    generation: int = -1


def deal(partitions: Sequence[Partition], claims: Mapping[str, Claim]) -> dict[str, list[Partition]]:
    """Return who gets what: of each topic the same number for every member, or one more.

    Who has the fewest so far gets the one more, so that the sums are even too. Members keep what they had
    within that, so that dealing again without a change changes nothing.
    """
    owners = _owners(claims)
    dealt: dict[str, list[Partition]] = {member: [] for member in claims}
    topics: dict[str, list[Partition]] = {}
    for partition in sorted(partitions):
        topics.setdefault(partition.topic, []).append(partition)
    for topic, of_topic in topics.items():
        members = sorted(member for member, claim in claims.items() if topic in claim.topics)
        if members:
            _deal_topic(of_topic, members, owners=owners, dealt=dealt)
    return dealt


def _deal_topic(
    partitions: Sequence[Partition],
    members: Sequence[str],
    *,
    owners: Mapping[Partition, str],
    dealt: dict[str, list[Partition]],
) -> None:
    had = {member: [p for p in partitions if owners.get(p) == member] for member in members}
    each, over = divmod(len(partitions), len(members))
    order = sorted(members, key=lambda member: (len(dealt[member]), -len(had[member]), member))
    quota = {member: each + (place < over) for place, member in enumerate(order)}
    kept = {member: had[member][: quota[member]] for member in members}
    taken = {partition for own in kept.values() for partition in own}
    free = [partition for partition in partitions if partition not in taken]
    for member in order:
        missing = quota[member] - len(kept[member])
        dealt[member] += sorted(kept[member] + free[:missing])
        free = free[missing:]


def _owners(claims: Mapping[str, Claim]) -> dict[Partition, str]:
    """Return who had each partition last: a member that was away may claim what others have had since."""
    owners: dict[Partition, str] = {}
    for member, claim in sorted(claims.items(), key=lambda item: (item[1].generation, item[0])):
        owners.update(dict.fromkeys(claim.owned, member))
    return owners


class TopicwiseAssignor(StickyPartitionAssignor):  # type: ignore[misc]
    """`deal` as aiokafka calls it; what members had travels as in its sticky assignor."""

    name = "cinelog-topicwise"

    @classmethod
    def assign(cls, cluster: Any, members: Mapping[str, Any]) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Return what each member gets; called on the member that leads the group."""
        claims = {member: _claim(cls.parse_member_metadata(told)) for member, told in members.items()}
        topics = frozenset().union(*(claim.topics for claim in claims.values()))
        partitions = [
            Partition(topic, number)
            for topic in topics
            for number in cluster.partitions_for_topic(topic) or ()
        ]
        return {
            member: ConsumerProtocolMemberAssignment(cls.version, _by_topic(own), b"")
            for member, own in deal(partitions, claims).items()
        }


def _claim(told: Any) -> Claim:
    return Claim(
        topics=frozenset(told.subscription),
        owned=tuple(Partition(*partition) for partition in told.partitions),
        generation=told.generation,
    )


def _by_topic(partitions: Sequence[Partition]) -> list[tuple[str, list[int]]]:
    found: dict[str, list[int]] = {}
    for partition in sorted(partitions):
        found.setdefault(partition.topic, []).append(partition.number)
    return list(found.items())
