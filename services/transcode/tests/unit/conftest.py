"""What handlers are tested with: a folder store, doubles, and one command."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from cinelog_common.clock import ManualClock
from cinelog_common.contract.commands import EncodeSegment
from cinelog_common.contract.values import Recipe, Rendition
from cinelog_common.objects.folder import FolderObjectStore
from cinelog_transcode.adapters.units import ObjectUnitStore
from cinelog_transcode.domain.proof import Proof
from cinelog_transcode.handlers import Handlers, Limits, Workshop
from cinelog_transcode.testing import FakeProofs, FakeQualityMeter, FakeUnitEncoder, RecordingAnnouncer

RECIPE = Recipe(
    family="cpu",
    encoder="libx264",
    version="v1",
    codec="h264",
    preset="medium",
    pixel_format="yuv420p",
    time_base=(1, 12800),
    frame_rate=(25, 1),
    renditions=(
        Rendition(name="720p", width=1280, height=720, crf=23, max_rate_k=4000, level="3.1"),
        Rendition(name="480p", width=854, height=480, crf=23, max_rate_k=2000, level="3.0"),
    ),
    max_segment_s=8.0,
)
PROOF = Proof(encoder="libx264", codec="h264", pool="cpu", usable=True, version="v1")


class Bench:
    """One worker's handlers with everything they touch in reach."""

    def __init__(self, folder: Path, **parts: Any) -> None:
        self.objects = parts.get("objects") or FolderObjectStore(folder / "objects", durable=False)
        self.units = ObjectUnitStore(self.objects)
        self.encoder = parts.get("encoder") or FakeUnitEncoder()
        self.meter = parts.get("meter") or FakeQualityMeter()
        self.announcer = RecordingAnnouncer()
        self.scratch = folder / "scratch"
        self.in_hand = 1
        self.handlers = Handlers(
            Workshop(
                units=self.units,
                encoder=self.encoder,
                meter=self.meter,
                proofs=FakeProofs(parts.get("proofs", [PROOF])),
                announcer=self.announcer,
                clock=ManualClock(),
                scratch=self.scratch,
                worker=parts.get("worker", "w1"),
                limits=Limits(cores=8, slots=4),
                in_hand=lambda: self.in_hand,
                decoders=lambda: dict(parts.get("decoders", {})),
            )
        )
        self.recipe = RECIPE

    def command(self, **changes: Any) -> EncodeSegment:
        return msgspec.structs.replace(EncodeSegment(job="job", n=3, recipe=RECIPE), **changes)

    async def put_bundle(self, n: int = 3, generation: int = 0) -> None:
        await self.objects.create(f"jobs/job/1/source/{n:06d}.g{generation}.pkts", b"packets")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def make_bench() -> type[Bench]:
    return Bench
