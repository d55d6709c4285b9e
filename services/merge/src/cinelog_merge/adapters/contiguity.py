"""Whether events arrive without a hole: what Faust takes for compaction is a batch that it threw away.

A fetch that is under way while a rebalance seeks back brings records from before
the seek. Faust (0.15.3, `Consumer._drain_messages`) delivers them, notes the
offsets in between as a gap, as if they had been compacted away, drops the same
offsets when they come, and commits past them: measured on a loaded machine, two
members lost up to six consecutive events where one joined. The topic is never
compacted and has no transactions, so every hole is such a loss until it proves
to be in the log itself.
"""

from collections.abc import Hashable, Mapping


class Contiguity:
    """The next offset of each partition, from what is committed on."""

    def __init__(self) -> None:
        self._next: dict[Hashable, int | None] = {}
        self._holes: dict[Hashable, tuple[int, int]] = {}

    def rewind(self, positions: Mapping[Hashable, int | None]) -> None:
        """Expect these offsets next; None where nothing is committed, and any offset may be the first."""
        self._next = dict(positions)

    def admits(self, partition: Hashable, offset: int) -> bool:
        """Tell whether nothing is missing before `offset`, and expect the following one.

        What comes again is admitted. A hole is refused once; if the very same is met when its
        partition was read anew, it is in the log: retention, or whatever took the records.
        """
        expected = self._next.get(partition)
        if expected is not None and offset > expected:
            hole = (expected, offset)
            if self._holes.get(partition) != hole:
                self._holes[partition] = hole
                return False
        self._next[partition] = max(offset + 1, expected or 0)
        return True
