"""Lets units hold those after them, and begin their decoding earlier, where the plan was revised.

The cuts stay where they are, so every other unit is what it was. A unit that showed too few pictures
gets the packets of those before it along: from where decoding is known to show everything.
"""

from collections.abc import Iterable

import msgspec
from cinelog_common.contract.values import Hold

from cinelog_download.children.units import Stretch, Writer
from cinelog_download.children.window import Window


class HoldingUnits:
    """Writes through another writer; units that another one holds are not written."""

    def __init__(self, writer: Writer, holds: Iterable[Hold]) -> None:
        self._writer = writer
        self._holds = {hold.n: hold for hold in holds}
        self._firsts: dict[int, int] = {}
        self._holding: Stretch | None = None
        self._last = -1

    def write(self, unit: Stretch, window: Window) -> None:
        """Write the unit, or keep it until all that it is to hold are there.

        Raises:
            OSError: The disk is full, or fails.
        """
        self._keep_first(unit, window)
        if self._holding is not None:
            self._holding = _together(self._holding, unit)
        elif (hold := self._holds.get(unit.n)) is not None:
            first = self._firsts.get(hold.since, unit.first)
            self._holding, self._last = msgspec.structs.replace(unit, first=first), hold.last
        else:
            self._writer.write(unit, window)
            return
        if unit.n >= self._last or unit.last:
            self._writer.write(self._holding, window)
            self._holding = None
            self._forget(unit.n, window)

    def _keep_first(self, unit: Stretch, window: Window) -> None:
        if any(hold.since == unit.n and n >= unit.n for n, hold in self._holds.items()):
            self._firsts[unit.n] = unit.first
            window.kept = min(self._firsts.values())

    def _forget(self, n: int, window: Window) -> None:
        wanted = {hold.since for later, hold in self._holds.items() if later > n}
        self._firsts = {since: first for since, first in self._firsts.items() if since in wanted}
        window.kept = min(self._firsts.values(), default=None)


def _together(one: Stretch, following: Stretch) -> Stretch:
    return msgspec.structs.replace(
        one,
        end=following.end,
        stop=max(one.stop, following.stop),
        next_first=following.next_first,
        frames=one.frames + following.frames,
        last=following.last,
    )
