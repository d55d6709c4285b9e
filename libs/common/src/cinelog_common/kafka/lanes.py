"""One partition while it is ours: what waits, what runs, what is done."""

from collections import deque
from collections.abc import Sequence

from loguru import logger

from cinelog_common.kafka.offsets import Mark, Tracker, decode, encode
from cinelog_common.kafka.records import Committed, Partition, Record
from cinelog_common.kafka.slots import Priority


class Lane:
    """The records of one partition, from delivery to commit."""

    def __init__(self, source: Partition, priority: Priority) -> None:
        self.source = source
        self.priority = priority
        self.waiting: deque[Record] = deque()
        self.version = 0
        """Grows with every change that must be committed."""
        self.committed_version = 0
        self.parted_version = 0
        """What the last commit as the parting owner held, running starts handed over."""
        self.ready = False
        """Whether we own it now and know what is committed; nothing starts or is committed before."""
        self.paused = True
        """Whether the member was told to deliver nothing of it, as it is at every assignment."""
        self._tracker: Tracker | None = None
        self._position = 0

    def open(self, committed: Committed) -> frozenset[int]:
        """Take the partition, or take it again; return the offsets in hand that others finished meanwhile."""
        mark = decode(committed.offset, committed.metadata)
        finished: frozenset[int] = frozenset()
        if self._tracker is None:
            self._tracker = Tracker(mark)
        else:
            finished = self._tracker.merge(mark)
            self.waiting = deque(record for record in self.waiting if record.offset not in finished)
            self.version += 1  # the last commit has our running starts handed over
        self._position = self._tracker.next
        self.paused = True
        self.ready = True
        return finished

    @property
    def owes(self) -> bool:
        """Whether something changed that no commit holds, not even a parting one."""
        return self.version > max(self.committed_version, self.parted_version)

    @property
    def position(self) -> int:
        """The offset to read next."""
        return self._position

    def deliver(self, record: Record) -> bool:
        """Let a record wait for its turn; return False if it is known already.

        An offset below the position means that the log was made anew under its old name: everything
        known about it is void, and repeating work is safe where skipping it is not.
        """
        if record.offset < self._position:
            logger.bind(action="log.rewound").warning(
                "{}-{} went back from {} to {}", *self.source, self._position, record.offset
            )
            self._tracker = Tracker(Mark(watermark=record.offset))
            self.waiting.clear()
        self._position = record.offset + 1
        if not self._known.take(record.offset):
            self.version += 1
            return False
        self.waiting.append(record)
        return True

    def starts(self, offset: int) -> int:
        """Return how often this offset was started before without an end."""
        return self._known.starts(offset)

    def head(self) -> Record | None:
        """Return the record that may start next."""
        if not (self.ready and self.waiting):
            return None
        record = self.waiting[0]
        return record if self._known.may_start(record.offset) else None

    def start(self, offset: int) -> int:
        """Count a start; return the version to be committed before the work begins."""
        self._known.start(offset)
        self.version += 1
        return self.version

    def finish(self, offset: int) -> None:
        """Say that this offset needs nothing more."""
        self._known.finish(offset)
        self.version += 1

    def hand_over(self, offset: int) -> None:
        """Take a start back."""
        self._known.hand_over(offset)
        self.version += 1

    def mark(self) -> Committed:
        """Return what to commit while we stay the owner."""
        return _committed(self._known.mark())

    def parting_mark(self) -> Committed:
        """Return what to commit when we may not stay the owner."""
        return _committed(self._known.handed_over())

    def drop(self, records: Sequence[Record]) -> None:
        """Finish waiting records without starting them."""
        dropped = {record.offset for record in records}
        self.waiting = deque(record for record in self.waiting if record.offset not in dropped)
        for offset in dropped:
            self.finish(offset)

    @property
    def _known(self) -> Tracker:
        if self._tracker is None:
            raise ValueError(f"{self.source} is not open")
        return self._tracker


def _committed(mark: Mark) -> Committed:
    return Committed(offset=mark.watermark, metadata=encode(mark))
