"""Joins in a child process: hostile bytes meet only what can be killed."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from cinelog_common.child_pool import ChildPool
from cinelog_common.errors import Category, PermanentError, TransientError

from cinelog_merge.ports import JoinAnswer, Joined, JoinOrder

PATIENCE_S = 600.0
PER_FRAGMENT_S: Mapping[str, float] = MappingProxyType({"seams": 2.0, "full": 60.0})
"""By how closely is looked: what one fragment may take on a slow disk, or to be decoded on a busy machine."""


class Joiner:
    """The port's `Joiner`, over a pool of `cinelog_merge.children.joiner`.

    Args:
        pool: The children.
        patience_s: How long a join may take beside its fragments: who hangs would hold its job up for ever.
    """

    def __init__(self, pool: ChildPool, *, patience_s: float = PATIENCE_S) -> None:
        self._pool = pool
        self._patience_s = patience_s

    async def join(self, order: JoinOrder) -> tuple[Joined, ...]:
        """Make the files of `order` and check them."""
        fragments = sum(len(part.fragments) for part in order.parts)
        deadline_s = self._patience_s + fragments * PER_FRAGMENT_S.get(order.verify, PER_FRAGMENT_S["full"])
        async with self._pool.child() as child:
            try:
                async with asyncio.timeout(deadline_s):
                    await child.send(msgspec.json.encode(order))
                    answer = msgspec.json.decode(await child.receive(), type=JoinAnswer)
            except TimeoutError as error:
                raise TransientError(
                    f"Joining was not done after {deadline_s:.0f} s.",
                    category=Category.INTERNAL,
                    action="Look at the disk and the load of the machine that joins.",
                ) from error
        failure = answer.failure
        if failure is None:
            return answer.joined
        known = Category(failure.category) if failure.category in set(Category) else Category.INTERNAL
        kind = TransientError if answer.transient else PermanentError
        raise kind(failure.message, category=known, action=failure.action)
