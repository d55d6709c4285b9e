"""Demuxing in killable children: this end answers their questions for bytes."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence

import msgspec
from cinelog_common.child_pool import ChildPool
from cinelog_common.children import Child, ChildLimits, ChildOptions
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError

from cinelog_download.domain.demuxing import (
    DemuxOrder,
    Extent,
    Finished,
    Message,
    Needed,
    Refused,
    decode_message,
    encode,
)
from cinelog_download.domain.splices import Splice
from cinelog_download.ports import Fetch

_LARGEST_EXTENT = 64 << 20


class DemuxerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What the children may use.

    `address_space_bytes` bounds what hostile media can allocate: mapped libraries count, too.
    """

    slots: int = 2
    idle_s: float = 30.0
    nice: int = 0
    address_space_bytes: int | None = 4 << 30
    stall_s: float = 300.0
    """A child that says nothing for so long, though it has all it asked for, is ended."""


class ChildDemuxer:
    """A pool of demuxing children."""

    def __init__(self, policy: DemuxerPolicy) -> None:
        self._stall_s = policy.stall_s
        limits = ChildLimits(address_space_bytes=policy.address_space_bytes)
        self._pool = ChildPool(
            "cinelog_download.children.demuxer",
            size=policy.slots,
            idle_s=policy.idle_s,
            options=ChildOptions(limits=limits, nice=policy.nice),
        )

    async def close(self) -> None:
        """End the children that are idle; the others end with what they work on."""
        await self._pool.close()

    async def demux(self, order: DemuxOrder, fetches: Sequence[Fetch]) -> AsyncGenerator[Message, None]:
        """Run one child over the source."""
        async with self._pool.child() as child:
            await child.send(encode(order))
            while True:
                message = await self._next(child)
                match message:
                    case Needed():
                        await child.send(encode(await _extent(fetches, message)))
                    case Refused():
                        break
                    case Finished():
                        yield message
                        return
                    case _:
                        yield message
        raise _error(message)

    async def _next(self, child: Child) -> Message:
        try:
            async with asyncio.timeout(self._stall_s):
                return _decoded(await child.receive())
        except TimeoutError as error:
            raise TransientError(
                f"The demuxer was stuck for {self._stall_s:.0f} s.",
                category=Category.LIMIT_EXCEEDED,
                action="It is started again by itself; if it is stuck each time, look at the source.",
            ) from error


async def _extent(fetches: Sequence[Fetch], needed: Needed) -> Extent:
    if not 0 <= needed.input < len(fetches) or needed.length <= 0 or needed.start < 0:
        raise _broken()
    fetch = fetches[needed.input]
    next_stretch = _behind(fetch, needed.base)
    if next_stretch is None or needed.start < next_stretch.offset:
        if fetch.size is None or needed.start < fetch.size:
            await fetch.wait_for(needed.start, _within(fetch, needed.start, needed.length))
        next_stretch = _behind(fetch, needed.base)
    end = _reach(fetch, needed)
    if next_stretch is not None and end >= next_stretch.offset:
        return Extent(end=next_stretch.offset, size_bytes=fetch.size, following=next_stretch.number)
    return Extent(end=end, size_bytes=fetch.size)


def _reach(fetch: Fetch, needed: Needed) -> int:
    """Return until where bytes can be read now."""
    if fetch.size is not None and needed.start >= fetch.size:
        return fetch.size
    length = needed.length
    # Asking once for far more spares a question for every buffer of what is already there.
    while length < _LARGEST_EXTENT and fetch.available(needed.start, 2 * length):
        length *= 2
    return needed.start + _within(fetch, needed.start, length)


def _behind(fetch: Fetch, base: int) -> Splice | None:
    splices = fetch.splices
    at = bisect_right(splices, base, key=lambda splice: splice.offset)
    return splices[at] if at < len(splices) else None


def _within(fetch: Fetch, start: int, length: int) -> int:
    return length if fetch.size is None else min(length, fetch.size - start)


def _decoded(frame: bytes) -> Message:
    try:
        return decode_message(frame)
    except msgspec.MsgspecError as error:
        raise _broken() from error


def _broken() -> TransientError:
    return TransientError("The demuxer broke its protocol.", action="It is started again by itself.")


def _error(refused: Refused) -> CinelogError:
    known = {category.value for category in Category}
    category = Category(refused.category) if refused.category in known else Category.INTERNAL
    kind = TransientError if refused.transient else PermanentError
    return kind(refused.message, category=category, action=refused.action)
