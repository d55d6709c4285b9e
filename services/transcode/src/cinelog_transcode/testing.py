"""Doubles of transcode's ports."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from cinelog_common.cmaf.fragments import FragmentSpec, Sample, write_fragment
from cinelog_common.contract.events import Event
from cinelog_common.contract.status import Progress, WorkerBeat
from cinelog_common.errors import TransientError
from cinelog_fastio import checksum

from cinelog_transcode.domain.proof import Proof
from cinelog_transcode.domain.tasks import (
    EncodeTask,
    PartReport,
    QualityReport,
    QualityTask,
    RenditionReport,
    UnitReport,
)
from cinelog_transcode.ports import OnProgress


class FakeUnitEncoder:
    """Makes sound fragments of two frames whose bytes begin with `mark`, as often as it is asked."""

    def __init__(self, mark: bytes = b"fake", *, parts: int = 1) -> None:
        self.tasks: list[EncodeTask] = []
        self.failure: Exception | None = None
        self.during: Callable[[], Awaitable[None]] | None = None
        self._mark = mark
        self._parts = parts

    async def encode(self, task: EncodeTask, on_progress: OnProgress) -> UnitReport:
        """Write the parts, or raise `failure`."""
        self.tasks.append(task)
        await on_progress(1, 2)
        if self.during is not None:
            await self.during()
        if self.failure is not None:
            raise self.failure
        renditions = tuple(
            RenditionReport(
                name=rendition.name,
                init=b"init of " + rendition.name.encode(),
                init_hash="feed",
                parts=tuple(self._part(task, at, number) for number in range(self._parts)),
            )
            for at, rendition in enumerate(task.recipe.renditions)
        )
        frames = 2 * self._parts
        return UnitReport(frames=frames, start=0, end=frames * 512, renditions=renditions, encode_s=0.5)

    def _part(self, task: EncodeTask, rendition: int, number: int) -> PartReport:
        start = number * 1024
        payload = self._mark + bytes([rendition, number])
        samples = [
            Sample(size=len(payload), duration=512, composition_offset=0, sync=first)
            for first in (True, False)
        ]
        spec = FragmentSpec(sequence=number + 1, base_time=start, samples=samples)
        data = write_fragment(spec, [payload, payload])
        path = Path(task.folder) / f"r{rendition}-{number:03d}.m4s"
        path.write_bytes(data)
        return PartReport(
            file=path.name,
            start=start,
            end=start + 1024,
            frames=2,
            size_bytes=len(data),
            checksum=checksum(data),
        )


class FakeQualityMeter:
    """Answers with a similarity that falls straight as crf grows."""

    def __init__(self, *, at_zero: float = 1.0, per_crf: float = 0.002) -> None:
        self.tasks: list[QualityTask] = []
        self._at_zero = at_zero
        self._per_crf = per_crf

    async def measure(self, task: QualityTask) -> QualityReport:
        """Return the line's values."""
        self.tasks.append(task)
        return QualityReport(
            values=tuple(tuple(self._at_zero - self._per_crf * crf for crf in crfs) for crfs in task.crfs)
        )


class FakeProofs:
    """Knows these proofs; every other encoder is unusable."""

    def __init__(self, proofs: Sequence[Proof]) -> None:
        self._proofs = {proof.encoder: proof for proof in proofs}

    async def of(self, encoder: str) -> Proof:
        """Return the proof."""
        missing = Proof(encoder=encoder, codec="", pool="cpu", usable=False, reason="nobody proved it")
        return self._proofs.get(encoder, missing)


class RecordingAnnouncer:
    """Keeps what was announced; progress is refused while `deaf`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.progresses: list[Progress] = []
        self.deaf = False

    async def announce(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)

    async def progress(self, progress: Progress) -> None:
        """Keep the progress."""
        if self.deaf:
            raise TransientError("the log does not answer")
        self.progresses.append(progress)


class RecordingHeartbeats:
    """Keeps heartbeats and goodbyes; the first `fail` beats find no log.

    Attributes:
        heard: Set once there are `enough` beats.
    """

    def __init__(self, *, fail: int = 0, enough: int = 1) -> None:
        self.heard = asyncio.Event()
        self._enough = enough
        self.beats: list[WorkerBeat] = []
        self.left: list[str] = []
        self._fail = fail

    async def beat(self, beat: WorkerBeat) -> None:
        """Keep the beat."""
        if self._fail:
            self._fail -= 1
            raise TransientError("the log does not answer")
        self.beats.append(beat)
        if len(self.beats) >= self._enough:
            self.heard.set()

    async def gone(self, worker: str) -> None:
        """Keep the goodbye."""
        self.left.append(worker)


async def proofs_of(*proofs: Proof) -> AsyncIterator[Proof]:
    """Yield `proofs`, as the prover does."""
    for proof in proofs:
        yield proof
