"""What one member of a group has in hand: the lanes of its partitions, and the work that runs."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping

from cinelog_common.kafka.lanes import Lane
from cinelog_common.kafka.records import Committed, Partition, Record
from cinelog_common.kafka.slots import Priority, Slots
from cinelog_common.kafka.work import Ending, Work


class Hand:
    """Lanes and running work, and which record is next. Decides; awaits nothing.

    At most one record that was started often runs at a time: when its process then ends, it is known whose
    fault it was, and its neighbours are not put aside with it.
    """

    def __init__(self, topics: Mapping[str, Priority], *, slots: int, starts_limit: int) -> None:
        self.lanes: dict[Partition, Lane] = {}
        self.works: set[Work] = set()
        self.starts_limit = starts_limit
        self._topics = topics
        self._size = slots
        self._slots = Slots(slots, list(topics.values()))

    def resize(self, slots: int) -> None:
        """Work on so many at a time from now on, and let as many wait; what is in hand stays."""
        self._size = slots
        self._slots.resize(slots)

    def keep(self, partitions: Collection[Partition]) -> None:
        """Own these and no others from now on: end the work of what was lost, none of what was kept."""
        for source in [source for source in self.lanes if source not in partitions]:
            del self.lanes[source]
        for work in self.works:
            if work.lane.source not in partitions:
                work.end(Ending.LOST)
        for source in partitions:
            lane = self.lanes.setdefault(source, Lane(source, self._topics[source.topic]))
            lane.ready = False

    def open(self, committed: Mapping[Partition, Committed]) -> None:
        """Make the lanes ready, each with what its group has committed."""
        for source, lane in self.lanes.items():
            finished_elsewhere = lane.open(committed[source])
            for work in self.works:
                if work.lane is lane and work.record.offset in finished_elsewhere:
                    work.end(Ending.LOST)

    def close(self) -> None:
        """Hold every lane until it is opened again."""
        for lane in self.lanes.values():
            lane.ready = False

    def deliver(self, record: Record) -> bool:
        """Take a record in hand; return False if it is finished already.

        Of a lane that is not ready nothing is taken: it seeks when it is, and what came before comes again.
        """
        lane = self.lanes.get(record.source)
        return lane is None or not lane.ready or lane.deliver(record)

    def room(self) -> int:
        """Return how many records may be asked for, whatever lane they come from."""
        rooms = [self._size - len(lane.waiting) for lane in self.lanes.values() if not lane.paused]
        return max(1, min(rooms, default=1))

    def full(self) -> list[Partition]:
        """Return the partitions to pause now."""
        full = [x for x in self.lanes.values() if not x.paused and len(x.waiting) >= self._size]
        for lane in full:
            lane.paused = True
        return [lane.source for lane in full]

    def hungry(self) -> list[Partition]:
        """Return the partitions to resume now: half empty, as each resumption asks the broker anew."""
        lanes = self.lanes.values()
        hungry = [x for x in lanes if x.ready and x.paused and 2 * len(x.waiting) <= self._size]
        for lane in hungry:
            lane.paused = False
        return [lane.source for lane in hungry]

    def begin(self) -> Work | None:
        """Take the record whose turn it is; None if no slot is free or none may begin."""
        heads = {lane: head for lane in self.lanes.values() if (head := lane.head()) is not None}
        suspect = max(1, self.starts_limit - 1)
        if any(work.lease.starts >= suspect for work in self.works):
            heads = {lane: head for lane, head in heads.items() if lane.starts(head.offset) < suspect}
        running = Counter(work.lane.priority for work in self.works)
        priority = self._slots.choose({lane.priority for lane in heads}, running)
        if priority is None:
            return None
        lane = next(lane for lane in heads if lane.priority is priority)
        # The lane that is served goes to the end, so that the partitions of a class take turns.
        self.lanes[lane.source] = self.lanes.pop(lane.source)
        work = Work(lane, lane.waiting.popleft())
        self.works.add(work)
        return work

    def cancel(self, predicate: Callable[[Record], bool]) -> tuple[int, int]:
        """Cancel what matches; return how many were running and how many waited."""
        running = [work for work in self.works if work.lease.ending is None and predicate(work.record)]
        for work in running:
            work.end(Ending.CANCELLED)
        waiting = 0
        for lane in self.lanes.values():
            matching = [record for record in lane.waiting if predicate(record)]
            lane.drop(matching)
            waiting += len(matching)
        return len(running), waiting
