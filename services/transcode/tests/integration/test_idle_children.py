"""A warm child holds little memory while it waits, and no unit's beside that of the next one."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cinelog_common.child_pool import ChildPool
from cinelog_common.children import Child
from cinelog_transcode.adapters.encoder import ENCODER
from cinelog_transcode.domain.tasks import EncodeTask, TaskProgress, UnitReport, decode_report

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only glibc gives memory back when it is asked"
)

CFR = tuple(range(0, 30 * 512, 512))


def resident_kb(pid: int) -> tuple[int, int]:
    """What a process holds now, and the most that it ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    told = dict(line.split(":", 1) for line in lines)
    return int(told["VmRSS"].split()[0]), int(told["VmHWM"].split()[0])


async def encode(child: Child, task: EncodeTask) -> object:
    await child.send(msgspec.msgpack.encode(task))
    while isinstance(report := decode_report(await child.receive()), TaskProgress):
        pass
    return report


@pytest.fixture
def task(studio: Any, tmp_path: Path) -> EncodeTask:
    """A second of 1080p."""
    footage = studio.make(studio.spec(pts=CFR, size=(1920, 1080), options={"preset": "ultrafast"}))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=30 * 512))
    return EncodeTask(bundle=str(bundle), folder=str(tmp_path), recipe=studio.recipe(footage), n=0)


def test_a_child_that_made_1080p_gives_its_memory_back_when_it_has_nothing_to_do(task: EncodeTask) -> None:
    async def scenario() -> None:
        async with ChildPool(ENCODER, size=1) as pool, pool.child() as child:
            assert isinstance(await encode(child, task), UnitReport)
            async with asyncio.timeout(30):
                while True:
                    now, most = resident_kb(child.pid)
                    if now < most / 2:
                        break
                    await asyncio.sleep(0.05)
            # It is as good as before.
            assert isinstance(await encode(child, task), UnitReport)
            assert most > 150_000

    asyncio.run(scenario())


def test_what_a_unit_held_is_not_held_while_another_sort_is_encoded(task: EncodeTask) -> None:
    small = msgspec.structs.replace(task.recipe.renditions[0], width=320, height=180)
    recipe = msgspec.structs.replace(task.recipe, renditions=(small,))

    async def scenario() -> None:
        async with ChildPool(ENCODER, size=1) as pool, pool.child() as child:
            assert isinstance(await encode(child, msgspec.structs.replace(task, threads=3)), UnitReport)
            assert isinstance(await encode(child, msgspec.structs.replace(task, recipe=recipe)), UnitReport)
            now, most = resident_kb(child.pid)
            assert now < most / 2

    asyncio.run(scenario())
