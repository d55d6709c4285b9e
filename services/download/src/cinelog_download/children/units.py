"""Writes units of the picture as packet bundles."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec
from cinelog_common.contract.units import UnitMeta, encode_meta
from cinelog_common.contract.values import Value, VideoInfo
from cinelog_fastio import BundleWriter, StreamParameters

from cinelog_download.children.window import Window, carried
from cinelog_download.domain.demuxing import DemuxOrder, Told, UnitCut

Tell = Callable[[Told], None]
"""Says something to the parent."""


class Stretch(Value, frozen=True, kw_only=True):
    """A unit to be written: packets [first, stop) in decode order for the pictures of [start, end).

    The next unit's decoding begins with packet `next_first`. Of a `held` one the packets are for the last
    picture before it.
    """

    n: int
    start: int
    end: int
    first: int
    stop: int
    next_first: int
    frames: int
    last: bool
    held: bool = False


class Writer(Protocol):
    """Writes one unit in some form and tells of it."""

    def write(self, unit: Stretch, window: Window) -> None:
        """Write it.

        Raises:
            OSError: The disk is full, or fails.
        """


class BundleUnits:
    """Writes units as packet bundles; their bytes depend on the source and the order alone."""

    def __init__(self, order: DemuxOrder, parameters: StreamParameters, video: VideoInfo, tell: Tell) -> None:
        self._order = order
        self._first_parameters = parameters
        self._video = video
        self._tell = tell
        self._renewed: list[tuple[int, bytes]] = []
        self._looked_at = 0

    def write(self, unit: Stretch, window: Window) -> None:
        """Write one bundle and tell of it."""
        order = self._order
        generation = order.regenerate.get(str(unit.n), 0)
        meta = UnitMeta(
            job=order.job,
            run=order.run,
            n=unit.n,
            start=unit.start,
            end=unit.end,
            frames=unit.frames,
            video=self._video,
            generation=generation,
            last=unit.last,
            held=unit.held,
        )
        path = Path(order.folder) / f"{unit.n:06d}.g{generation}.pkts"
        with BundleWriter(path, self._parameters_for(unit, window), encode_meta(meta)) as writer:
            for _, packet in window.packets(unit.first, unit.stop):
                writer.add(carried(packet, start=unit.start, end=unit.end))
            size_bytes = writer.close().size_bytes
        told = UnitCut(
            n=unit.n,
            generation=generation,
            start=unit.start,
            end=unit.end,
            frames=unit.frames,
            path=str(path),
            size_bytes=size_bytes,
        )
        self._tell(told)

    def _parameters_for(self, unit: Stretch, window: Window) -> StreamParameters:
        """Return the parameters that hold at the unit's first packet: each bundle is decoded on its own."""
        for number, entry in window.entries(max(unit.first, self._looked_at), unit.stop):
            for name, data in entry.packet.side_data:
                if name == "new_extradata":
                    self._renewed.append((number, data))
        self._looked_at = max(self._looked_at, unit.stop)
        # From the first ones on each time: a unit's decoding may begin before that of the one before it.
        parameters = self._first_parameters
        for number, extradata in self._renewed:
            if number <= unit.first:
                parameters = msgspec.structs.replace(parameters, extradata=extradata)
        return parameters
