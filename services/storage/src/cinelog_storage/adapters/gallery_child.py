"""Makes poster and sprite sheet in a child process."""

import msgspec
from cinelog_common.child_pool import ChildPool
from cinelog_common.errors import Category, PermanentError

from cinelog_storage.ports import Gallery, GalleryAnswer, GalleryOrder


class Gallerist:
    """The port's `Gallerist`, over a pool of `cinelog_storage.children.gallery`."""

    def __init__(self, pool: ChildPool) -> None:
        self._pool = pool

    async def make(self, order: GalleryOrder) -> Gallery:
        """Make the files; a child that answers nonsense is as good as dead."""
        async with self._pool.child() as child:
            await child.send(msgspec.json.encode(order))
            answer = msgspec.json.decode(await child.receive(), type=GalleryAnswer)
        if answer.broken is not None:
            raise PermanentError(
                f"The small pictures are broken: {answer.broken}.",
                category=Category.DAMAGED,
                action="The video itself is not affected; retry the job for its poster.",
            )
        return answer.gallery
