"""The child processes for real: a unit through the pipe, and what happens when a child dies or hangs."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cinelog_common.children import ChildDiedError
from cinelog_common.errors import Category, PermanentError
from cinelog_transcode.adapters.encoder import (
    ChildEncoder,
    ChildQualityMeter,
    ChildSettings,
    RefusedError,
    StalledError,
)
from cinelog_transcode.domain.proof import Proof
from cinelog_transcode.domain.tables import tables_of_pool
from cinelog_transcode.domain.tasks import EncodeTask, QualityTask
from cinelog_transcode.proofs import prove, prove_pool

CFR = tuple(range(0, 100 * 512, 512))


async def ignore(done: int, total: int) -> None:
    pass


@pytest.fixture
def unit(studio: Any, tmp_path: Path) -> EncodeTask:
    footage = studio.make(studio.spec(pts=CFR, size=(640, 360)))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=100 * 512))
    return EncodeTask(bundle=str(bundle), folder=str(tmp_path), recipe=studio.recipe(footage), n=0)


def test_a_child_encodes_one_unit_after_another_and_reports(unit: EncodeTask) -> None:
    heard = []

    async def listen(done: int, total: int) -> None:
        heard.append((done, total))

    async def scenario() -> list[int]:
        encoder = ChildEncoder(ChildSettings(size=1))
        try:
            return [(await encoder.encode(unit, listen)).frames for _ in range(2)]
        finally:
            await encoder.close()

    assert asyncio.run(scenario()) == [100, 100]
    assert all(total == 100 for _, total in heard)
    assert heard


def test_damage_crosses_the_pipe_with_its_category(unit: EncodeTask) -> None:
    data = bytearray(Path(unit.bundle).read_bytes())
    data[1000] ^= 1
    Path(unit.bundle).write_bytes(data)

    async def scenario() -> None:
        encoder = ChildEncoder(ChildSettings(size=1))
        try:
            await encoder.encode(unit, ignore)
        finally:
            await encoder.close()

    with pytest.raises(PermanentError, match="packets of unit 0 are damaged") as caught:
        asyncio.run(scenario())

    assert caught.value.category == Category.DAMAGED


def test_a_folder_that_cannot_be_written_crosses_the_pipe_with_its_category(unit: EncodeTask) -> None:
    async def scenario() -> None:
        encoder = ChildEncoder(ChildSettings(size=1))
        try:
            await encoder.encode(msgspec.structs.replace(unit, folder=unit.bundle), ignore)
        finally:
            await encoder.close()

    with pytest.raises(PermanentError, match="Cannot write to") as caught:
        asyncio.run(scenario())

    assert caught.value.category == Category.NOT_WRITABLE


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules children can import."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def test_a_hung_child_is_killed_and_its_unit_may_be_tried_again(unit: EncodeTask, modules: Path) -> None:
    (modules / "hanging_child.py").write_text(
        "import os, time\n"
        "from cinelog_common.child_channel import serve\n"
        "def handle(frame, send):\n"
        f"    open({str(modules / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "    time.sleep(3600)\n"
        "serve(handle)\n"
    )

    async def scenario() -> None:
        encoder = ChildEncoder(ChildSettings(size=1, stall_s=1.0), module="hanging_child")
        try:
            await encoder.encode(unit, ignore)
        finally:
            await encoder.close()

    with pytest.raises(StalledError):
        asyncio.run(scenario())

    with pytest.raises(ProcessLookupError):
        os.kill(int((modules / "pid").read_text()), 0)


def test_a_killed_child_is_a_failure_of_this_attempt_only(unit: EncodeTask, modules: Path) -> None:
    (modules / "dying_child.py").write_text(
        "import os, signal\n"
        "from pathlib import Path\n"
        "from cinelog_common.child_channel import serve\n"
        "from cinelog_transcode.children import encoder\n"
        f"mark = Path({str(modules / 'died')!r})\n"
        "def handle(frame, send):\n"
        "    if mark.exists():\n"
        "        return encoder.handle(frame, send)\n"
        "    mark.touch()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "serve(handle)\n"
    )

    async def scenario() -> tuple[str | None, int]:
        encoder = ChildEncoder(ChildSettings(size=1), module="dying_child")
        try:
            with pytest.raises(ChildDiedError) as caught:
                await encoder.encode(unit, ignore)
            return caught.value.signal_name, (await encoder.encode(unit, ignore)).frames
        finally:
            await encoder.close()

    assert asyncio.run(scenario()) == (signal.SIGKILL.name, 100)


def test_a_proven_encoder_that_refuses_a_session_is_tried_again(unit: EncodeTask) -> None:
    odd = msgspec.structs.replace(unit.recipe.renditions[0], width=321)
    recipe = msgspec.structs.replace(unit.recipe, renditions=(odd,))

    async def scenario() -> None:
        encoder = ChildEncoder(ChildSettings(size=1))
        try:
            await encoder.encode(msgspec.structs.replace(unit, recipe=recipe), ignore)
        finally:
            await encoder.close()

    with pytest.raises(RefusedError, match="libx264 cannot be used here") as caught:
        asyncio.run(scenario())

    assert caught.value.category == Category.ENCODER_UNAVAILABLE


def test_every_encoder_of_the_processor_is_proven() -> None:
    proofs = asyncio.run(prove_pool("cpu"))

    assert [(proof.encoder, proof.usable) for proof in proofs] == [
        (table.name, True) for table in tables_of_pool("cpu")
    ]
    assert all(proof.version.startswith("lavc") for proof in proofs)


def test_hardware_that_is_not_there_says_what_it_needs() -> None:
    proofs = [proof for proof in asyncio.run(prove_pool("apple")) if not proof.usable]

    assert all("it needs macOS" in proof.reason for proof in proofs)


def test_an_encoder_that_crashes_or_hangs_hides_no_other(modules: Path) -> None:
    (modules / "moody_prover.py").write_text(
        "import os, signal, time\n"
        "import msgspec\n"
        "from cinelog_common.child_channel import serve\n"
        "from cinelog_transcode.domain.proof import Proof\n"
        "def handle(frame, send):\n"
        "    name = msgspec.msgpack.decode(frame)['encoder']\n"
        "    if name == 'libx264':\n"
        "        os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    if name == 'libsvtav1':\n"
        "        time.sleep(3600)\n"
        "    send(msgspec.msgpack.encode(Proof(encoder=name, codec='', pool='cpu', usable=True)))\n"
        "serve(handle)\n"
    )

    async def scenario() -> list[Proof]:
        tables = tables_of_pool("cpu")
        return [proof async for proof in prove(tables, module="moody_prover", deadline_s=1.5)]

    proofs = {proof.encoder: proof for proof in asyncio.run(scenario())}

    assert "SIGSEGV" in proofs["libx264"].reason
    assert "within 2 s" in proofs["libsvtav1"].reason
    assert [name for name, proof in proofs.items() if proof.usable] == ["libx265", "libvpx-vp9"]


def test_similarity_falls_as_the_quality_number_grows(unit: EncodeTask) -> None:
    async def scenario() -> tuple[float, ...]:
        meter = ChildQualityMeter(ChildSettings(size=1))
        try:
            task = QualityTask(bundles=(unit.bundle,), recipe=unit.recipe, crfs=((15, 30, 45),))
            return (await meter.measure(task)).values[0]
        finally:
            await meter.close()

    best, middle, worst = asyncio.run(scenario())

    assert 1.0 >= best > middle > worst > 0.3


def test_a_metric_that_is_not_in_the_library_is_refused_by_name(unit: EncodeTask) -> None:
    async def scenario() -> None:
        meter = ChildQualityMeter(ChildSettings(size=1))
        try:
            await meter.measure(
                QualityTask(bundles=(unit.bundle,), recipe=unit.recipe, crfs=((30,),), metric="vmaf")
            )
        finally:
            await meter.close()

    with pytest.raises(PermanentError, match="cannot measure VMAF"):
        asyncio.run(scenario())
