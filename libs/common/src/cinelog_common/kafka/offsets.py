"""Which offsets of one partition are done, and what may therefore be committed.

Work finishes in any order, a group commits one number: the lowest offset that is not finished. What
finished beyond it, and how often each unfinished offset was started, travels in the commit's metadata, so
that whoever takes the partition over neither repeats the one nor forgets the other. Pure.
"""

from collections.abc import Iterable, Mapping

import msgspec

SPREAD = 64
"""Most offsets that may be started or finished beyond the watermark; it bounds the metadata."""

METADATA_LIMIT = 4000
"""Kafka refuses 4,096 bytes (`offset.metadata.max.bytes`)."""

_VERSION = "1"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What is committed for one partition.

    Attributes:
        watermark: Every offset below it is finished.
        done: Finished offsets beyond the watermark.
        starts: How often each unfinished offset was started and neither finished nor handed over.
    """

    watermark: int
    done: frozenset[int] = frozenset()
    starts: Mapping[int, int] = msgspec.field(default_factory=dict)


def encode(mark: Mark) -> str:
    """Write a mark's metadata: `1;s=0:2,5:1;d=1-4,7`, offsets relative to the watermark.

    Always shorter than `METADATA_LIMIT`: what does not fit is left out, finished offsets first (they are
    merely done again), then the lowest start counts.
    """
    pairs = sorted(mark.starts.items(), key=lambda pair: (-pair[1], pair[0]))
    starts = _fitting((f"{offset - mark.watermark}:{count}" for offset, count in pairs), METADATA_LIMIT - 20)
    left = METADATA_LIMIT - 20 - len(starts)
    done = _fitting(_ranges(sorted(offset - mark.watermark for offset in mark.done)), left)
    return f"{_VERSION};s={starts};d={done}"


def decode(watermark: int, metadata: str) -> Mark:
    """Read a mark back. Metadata that is not ours, or is damaged, counts as empty: work is then repeated."""
    version, *fields = metadata[: 2 * METADATA_LIMIT].split(";")
    if version != _VERSION:
        return Mark(watermark=watermark)
    done: set[int] = set()
    starts: dict[int, int] = {}
    try:
        for field in fields:
            name, _, text = field.partition("=")
            for item in filter(None, text.split(",")):
                if name == "s":
                    offset, _, count = item.partition(":")
                    starts[watermark + _number(offset)] = max(1, _number(count))
                elif name == "d":
                    done.update(_expand(item, watermark))
    except ValueError:
        return Mark(watermark=watermark)
    done.discard(watermark)
    return Mark(
        watermark=watermark,
        done=frozenset(done),
        starts={offset: count for offset, count in starts.items() if offset not in done},
    )


class Tracker:
    """The progress of one partition while it is ours.

    Offsets are taken in the order of the log, which may have gaps (compaction, markers): an offset that
    was never taken holds nothing back.
    """

    def __init__(self, mark: Mark) -> None:
        self._next = mark.watermark
        self._unfinished: dict[int, None] = {}  # in the order taken, so ascending
        self._done = set(mark.done)
        self._starts = dict(mark.starts)
        self._running: set[int] = set()

    @property
    def watermark(self) -> int:
        """The offset to commit: everything below it is finished."""
        return next(iter(self._unfinished), self._next)

    @property
    def next(self) -> int:
        """The offset to read next: one past the last taken."""
        return self._next

    def take(self, offset: int) -> bool:
        """Take a delivered offset; False if it is already finished or in hand."""
        if offset < self._next:
            return False
        self._next = offset + 1
        if offset in self._done:
            self._forget_finished()
            return False
        self._unfinished[offset] = None
        return True

    def starts(self, offset: int) -> int:
        """Return how often this offset was started before and neither finished nor handed over."""
        return self._starts.get(offset, 0) - (offset in self._running)

    def may_start(self, offset: int) -> bool:
        """Whether starting this offset keeps the spread. The watermark itself may always start."""
        if offset == self.watermark:
            return True
        return len(self._running) + sum(done < self._next for done in self._done) < SPREAD

    def start(self, offset: int) -> None:
        """Count a start. It must be committed before the work begins, so that a sudden death is counted."""
        if offset not in self._unfinished or offset in self._running:
            raise ValueError(f"offset {offset} is not waiting")
        self._running.add(offset)
        self._starts[offset] = self._starts.get(offset, 0) + 1

    def finish(self, offset: int) -> None:
        """Say that the effect of this offset is durable. Doing so twice changes nothing."""
        if offset not in self._unfinished:
            return
        del self._unfinished[offset]
        self._running.discard(offset)
        self._done.add(offset)
        self._forget_finished()

    def hand_over(self, offset: int) -> None:
        """Take the start back: the work was stopped in good order and says nothing about the record."""
        if offset not in self._running:
            return
        self._running.discard(offset)
        self._starts[offset] -= 1
        if not self._starts[offset]:
            del self._starts[offset]

    def mark(self) -> Mark:
        """Return what to commit now."""
        return Mark(watermark=self.watermark, done=frozenset(self._done), starts=dict(self._starts))

    def handed_over(self) -> Mark:
        """Return what to commit when the partition may go elsewhere: running starts are not counted."""
        starts = {offset: count - (offset in self._running) for offset, count in self._starts.items()}
        return Mark(
            watermark=self.watermark,
            done=frozenset(self._done),
            starts={offset: count for offset, count in starts.items() if count},
        )

    def merge(self, mark: Mark) -> frozenset[int]:
        """Adopt what another member committed meanwhile; return the offsets in hand that it has finished."""
        finished = {o for o in self._unfinished if o < mark.watermark or o in mark.done}
        for offset in finished:
            del self._unfinished[offset]
            self._running.discard(offset)
        self._done |= mark.done
        self._next = max(self._next, mark.watermark)
        for offset, count in mark.starts.items():
            # Our own running start may be in that count or not, as the parting commit was accepted or not:
            # one too few is safe, one too many at every rebalance would make poison of sound work.
            self._starts[offset] = max(self._starts.get(offset, 0), count)
        self._forget_finished()
        return frozenset(finished)

    def _forget_finished(self) -> None:
        watermark = self.watermark
        while watermark in self._done and not self._unfinished:
            # Known finished by the mark of an earlier owner: no need to read it again.
            watermark += 1
            self._next = watermark
        for offset in [o for o in self._done if o < watermark]:
            self._done.discard(offset)
        for offset in [o for o in self._starts if o < watermark or o in self._done]:
            del self._starts[offset]


def _fitting(items: Iterable[str], limit: int) -> str:
    kept: list[str] = []
    length = 0
    for item in items:
        length += len(item) + 1
        if length > limit:
            break
        kept.append(item)
    return ",".join(kept)


def _ranges(numbers: list[int]) -> Iterable[str]:
    start = 0
    for index, number in enumerate(numbers):
        last = index + 1 == len(numbers)
        if last or numbers[index + 1] != number + 1:
            first = numbers[start]
            yield str(first) if first == number else f"{first}-{number}"
            start = index + 1


def _expand(item: str, watermark: int) -> Iterable[int]:
    first, _, last = item.partition("-")
    low, high = _number(first), _number(last or first)
    if high - low > 4 * SPREAD:
        raise ValueError("a range longer than any we write")
    return range(watermark + low, watermark + high + 1)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ValueError(f"not a number: {text[:20]!r}")
    return int(text)
