"""A vendor's device that breaks in the middle of a film, played by the processor, and a node that has one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cinelog import composition, standalone
from cinelog.settings import StandaloneSettings
from cinelog.standalone import Standalone
from cinelog.submitting import submit
from cinelog_common.contract import topics
from cinelog_common.contract.status import TERMINAL, JobStatus, WorkerBeat
from cinelog_common.contract.values import Options, Source
from cinelog_common.ids import job_id_of_key
from cinelog_common.kafka.compacted import CompactedReader, ReaderSettings
from cinelog_common.kafka.records import Record
from cinelog_transcode import main, proofs
from cinelog_transcode.adapters import devices
from cinelog_transcode.adapters.encoder import ChildEncoder, ChildSettings
from cinelog_transcode.children.encoding import EncoderUnavailableError
from cinelog_transcode.domain.proof import Proof
from msgspec.structs import replace

from cinelog_testkit.waiting import eventually

POOL = "nvidia"
UNITS_BEFORE_IT_BREAKS = 3
STALL_S = 3.0
"""After so long a device that hangs is ended; its processes start within that, others' work beside them."""


class Device(ChildEncoder):
    """Encodes as the processor does, with parameters of its own, until it breaks."""

    made = 0

    async def encode(self, task: Any, on_progress: Any) -> Any:
        """Encode the first units and refuse the others."""
        if task.recipe.family != POOL:
            return await super().encode(task, on_progress)
        if task.n >= UNITS_BEFORE_IT_BREAKS:
            raise EncoderUnavailableError(task.recipe.encoder, "the device fell off the bus")
        Device.made += 1
        played = replace(task.recipe, family="cpu", encoder="libx264", preset="medium")
        return await super().encode(replace(task, recipe=played), on_progress)


class HangingDevice(ChildEncoder):
    """Encodes in processes of its own, which stop in the middle of a unit and report nothing more."""

    def __init__(self, settings: ChildSettings) -> None:
        super().__init__(settings)
        hanging = replace(settings, stall_s=STALL_S)
        self._device = ChildEncoder(hanging, module="cinelog_testkit.hanging_encoder")

    async def encode(self, task: Any, on_progress: Any) -> Any:
        """Encode on the device, or as the processor does."""
        if task.recipe.family != POOL:
            return await super().encode(task, on_progress)
        return await self._device.encode(task, on_progress)

    async def close(self) -> None:
        """End the warm children of both."""
        await self._device.close()
        await super().close()


def plug_in(monkeypatch: pytest.MonkeyPatch, device: type[ChildEncoder] = Device) -> None:
    """Let every standalone node of this process have a device, which its worker believes to work."""
    services = composition.standalone_services

    def with_the_device(*given: Any) -> Sequence[Any]:
        return (*services(*given), composition.build("transcode", given[1], pool=POOL, slots=1))

    monkeypatch.setattr(standalone, "standalone_services", with_the_device)
    _play(monkeypatch, device)


def show(monkeypatch: pytest.MonkeyPatch, device: type[ChildEncoder] = Device) -> None:
    """Let this machine look as if it had a device, which standalone nodes then find and prove themselves."""
    monkeypatch.setattr(devices, "plausible_pools", lambda: ("cpu", POOL))
    _play(monkeypatch, device)


def _play(monkeypatch: pytest.MonkeyPatch, device: type[ChildEncoder]) -> None:
    prove = proofs.prove

    async def proven(tables: Any) -> AsyncIterator[Proof]:
        if tables[0].pool == POOL:
            yield Proof(encoder="h264_nvenc", codec="h264", pool=POOL, usable=True, version="13.0")
            return
        async for proof in prove(tables):
            yield proof

    monkeypatch.setattr(main, "prove", proven)
    monkeypatch.setattr(main, "ChildEncoder", device)
    Device.made = 0


class DeviceNode:
    """A standalone node whose device is known, and the latest snapshot of each job."""

    def __init__(self, node: Standalone, latest: dict[str, JobStatus]) -> None:
        self.node = node
        self._latest = latest

    async def convert(self, film: Path, options: Options, *, deadline_s: float = 120.0) -> JobStatus:
        """Convert a film and return the last snapshot.

        Raises:
            TimeoutError: It did not end.
        """
        job = job_id_of_key("device", str(film))
        submitted = await submit(self.node, job, Source(url=str(film)), options)
        await submitted.announce()
        await eventually(
            lambda: job in self._latest and self._latest[job].state in TERMINAL, deadline_s=deadline_s
        )
        return self._latest[job]


@asynccontextmanager
async def device_node(settings: StandaloneSettings, *, found: bool = False) -> AsyncIterator[DeviceNode]:
    """Run a node after `plug_in`; after `show`, the node has `found` its device when it has started."""
    latest: dict[str, JobStatus] = {}
    pools: set[str] = set()

    async def note(record: Record) -> None:
        if record.value is None:
            return
        if record.topic == topics.WORKERS:
            pools.add(msgspec.json.decode(record.value, type=WorkerBeat).pool)
        else:
            status = msgspec.json.decode(record.value, type=JobStatus)
            latest[status.job] = status

    async with Standalone(settings) as node:
        reader = CompactedReader(
            ReaderSettings(bootstrap=node.platform.bootstrap, topics=(topics.STATUS, topics.WORKERS)), note
        )
        await reader.start()
        try:
            # Else the processor would be chosen, as if there were no device.
            await eventually(lambda: found or POOL in pools)
            yield DeviceNode(node, latest)
        finally:
            await reader.stop()
