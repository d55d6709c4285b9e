"""Joins in a child process: hostile bytes meet only what can be killed."""

import msgspec
from cinelog_common.child_pool import ChildPool
from cinelog_common.errors import Category, PermanentError, TransientError

from cinelog_merge.ports import JoinAnswer, Joined, JoinOrder


class Joiner:
    """The port's `Joiner`, over a pool of `cinelog_merge.children.joiner`."""

    def __init__(self, pool: ChildPool) -> None:
        self._pool = pool

    async def join(self, order: JoinOrder) -> tuple[Joined, ...]:
        """Make the files of `order` and check them."""
        async with self._pool.child() as child:
            await child.send(msgspec.json.encode(order))
            answer = msgspec.json.decode(await child.receive(), type=JoinAnswer)
        failure = answer.failure
        if failure is None:
            return answer.joined
        known = Category(failure.category) if failure.category in set(Category) else Category.INTERNAL
        kind = TransientError if answer.transient else PermanentError
        raise kind(failure.message, category=known, action=failure.action)
