"""Makes poster and sprite sheet in a child process."""

import asyncio

import msgspec
from cinelog_common.child_pool import ChildPool
from cinelog_common.errors import Category, PermanentError, TransientError

from cinelog_storage.ports import Gallery, GalleryAnswer, GalleryOrder

PATIENCE_S = 120.0
PER_BUNDLE_S = 2.0


class Gallerist:
    """The port's `Gallerist`, over a pool of `cinelog_storage.children.gallery`.

    Args:
        pool: The children.
        patience_s: How long it may take beside its bundles: who hangs would hold its job up for ever.
    """

    def __init__(self, pool: ChildPool, *, patience_s: float = PATIENCE_S) -> None:
        self._pool = pool
        self._patience_s = patience_s

    async def make(self, order: GalleryOrder) -> Gallery:
        """Make the files; a child that answers nonsense is as good as dead."""
        deadline_s = self._patience_s + PER_BUNDLE_S * len(order.bundles)
        async with self._pool.child() as child:
            try:
                async with asyncio.timeout(deadline_s):
                    await child.send(msgspec.json.encode(order))
                    answer = msgspec.json.decode(await child.receive(), type=GalleryAnswer)
            except TimeoutError as error:
                raise TransientError(
                    f"The small pictures were not done after {deadline_s:.0f} s.",
                    action="Look at the load of the machine that publishes.",
                ) from error
        if answer.broken is not None:
            raise PermanentError(
                f"The small pictures are broken: {answer.broken}.",
                category=Category.DAMAGED,
                action="The video itself is not affected; retry the job for its poster.",
            )
        return answer.gallery
