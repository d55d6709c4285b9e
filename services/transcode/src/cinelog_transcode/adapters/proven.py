"""Work for an encoder as it was proven here: with B-frames or without, and 10 bit only where that works."""

from msgspec.structs import replace

from cinelog_transcode.domain.proof import fitted
from cinelog_transcode.domain.tasks import EncodeTask, QualityReport, QualityTask, UnitReport
from cinelog_transcode.ports import EncoderProofs, OnProgress, QualityMeter, UnitEncoder


class ProvenEncoder:
    """Encodes units in the way that was proven."""

    def __init__(self, encoder: UnitEncoder, proofs: EncoderProofs) -> None:
        self._encoder = encoder
        self._proofs = proofs

    async def encode(self, task: EncodeTask, on_progress: OnProgress) -> UnitReport:
        """Encode a unit.

        Raises:
            NoTenBitError: It wants 10 bit, which its encoder does not make here.
            CinelogError: As the encoder behind it.
        """
        recipe = fitted(task.recipe, await self._proofs.of(task.recipe.encoder))
        return await self._encoder.encode(replace(task, recipe=recipe), on_progress)


class ProvenMeter:
    """Measures qualities in the way that was proven."""

    def __init__(self, meter: QualityMeter, proofs: EncoderProofs) -> None:
        self._meter = meter
        self._proofs = proofs

    async def measure(self, task: QualityTask) -> QualityReport:
        """Measure.

        Raises:
            NoTenBitError: It wants 10 bit, which its encoder does not make here.
            CinelogError: As the meter behind it.
        """
        recipe = fitted(task.recipe, await self._proofs.of(task.recipe.encoder))
        return await self._meter.measure(replace(task, recipe=recipe))
