"""The child that joins keeps the same promises as the fake."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cinelog_common.child_pool import ChildPool
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_merge.adapters.join_child import Joiner
from cinelog_merge.joining_testing import FakeJoiner, Footage, JoinerConformance
from cinelog_merge.ports import Joiner as JoinerPort


class TestFakeJoiner(JoinerConformance):
    @asynccontextmanager
    async def open_joiner(self) -> AsyncIterator[JoinerPort]:
        yield FakeJoiner()


class TestJoinChild(JoinerConformance):
    @asynccontextmanager
    async def open_joiner(self) -> AsyncIterator[JoinerPort]:
        async with ChildPool("cinelog_merge.children.joiner", size=1) as pool:
            yield Joiner(pool)

    def test_a_join_that_never_ends_is_ended_and_the_next_one_is_carried_out(
        self, tmp_path: Path, footage: tuple[Footage, Footage]
    ) -> None:
        order = self._order(tmp_path, footage, "video.mp4")

        async def work() -> None:
            async with ChildPool("cinelog_merge.children.joiner", size=1) as pool:
                with pytest.raises(TransientError, match="not done after"):
                    await Joiner(pool, patience_s=-3600).join(order)
                (joined,) = await Joiner(pool).join(order)
                assert joined.name == "video.mp4"

        asyncio.run(work())

    def test_damage_is_told_as_damage(self, tmp_path: Path, footage: tuple[Footage, Footage]) -> None:
        async def work() -> None:
            order = self._order(tmp_path, footage, "video.mp4")
            path = Path(order.parts[0].fragments[1])
            path.write_bytes(path.read_bytes()[:-1])
            async with self.open_joiner() as joiner:
                with pytest.raises(PermanentError) as raised:
                    await joiner.join(order)
            assert raised.value.category is Category.DAMAGED

        asyncio.run(work())
