"""One coroutine per command: load, decide, act, save, tell. Each may run any number of times."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from cinelog_common.clock import Clock
from cinelog_common.contract.commands import EncodeSegment, ProbeQuality
from cinelog_common.contract.events import RecipeChosen
from cinelog_common.contract.quality import QualityGoal
from cinelog_common.contract.sidecars import UnitSidecar
from cinelog_common.contract.status import Progress
from cinelog_common.contract.values import Recipe
from cinelog_common.errors import Category, PermanentError, TransientError
from loguru import logger

from cinelog_transcode.domain.places import UnitPlace
from cinelog_transcode.domain.quality import LadderSearch
from cinelog_transcode.domain.sidecars import segment_encoded
from cinelog_transcode.domain.tasks import EncodeTask, QualityTask
from cinelog_transcode.domain.threads import encode_threads
from cinelog_transcode.ports import Announcer, EncoderProofs, QualityMeter, UnitEncoder, UnitStore


class MissingEncoderError(PermanentError):
    """This worker cannot use the recipe's encoder."""

    def __init__(self, encoder: str, reason: str) -> None:
        super().__init__(
            f"The encoder {encoder} cannot be used on this worker: {reason}.",
            category=Category.ENCODER_UNAVAILABLE,
            action="Run `cinelog doctor` on the worker, or set hardware to auto.",
        )


class OtherEncoderError(TransientError):
    """This worker's encoder is of another version than the recipe's; another worker's may fit."""

    def __init__(self, encoder: str, *, wanted: str, have: str) -> None:
        super().__init__(
            f"The recipe wants {encoder} {wanted}, and this worker has {have}.",
            category=Category.ENCODER_UNAVAILABLE,
            action="Run workers of one version, or retry the job when all are upgraded.",
        )


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What this worker may use."""

    cores: int
    slots: int
    max_pixels: int = 1 << 26
    thumbnail_every_s: float = 2.0
    thumbnail_width: int = 640


class Workshop(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the handlers work with."""

    units: UnitStore
    encoder: UnitEncoder
    meter: QualityMeter
    proofs: EncoderProofs
    announcer: Announcer
    clock: Clock
    scratch: Path
    worker: str
    limits: Limits
    decoders: Callable[[], dict[str, str]] = dict
    """By codec: the device type that decodes it here, as far as it is proven by now."""
    in_hand: Callable[[], int]
    """Commands that this worker has now, running and waiting."""


def _goal(command: ProbeQuality) -> QualityGoal:
    return command.goal or QualityGoal(target=command.target_ssim)


class Handlers:
    """What transcode does with its commands."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    async def encode_segment(self, command: EncodeSegment) -> None:
        """Encode one unit in every rendition, unless that is done, and announce it.

        Raises:
            PermanentError: The unit is damaged, or the encoder is not there.
            TransientError: The child died or hung, or a server does not answer.
        """
        shop = self._workshop
        unit = await shop.units.find(command)
        if unit is None:
            await self._check_encoder(command.recipe)
            unit = await self._encode(command)
        await shop.announcer.announce(segment_encoded(command, unit, worker=shop.worker))
        log = logger.bind(action="segment.encoded", unit=unit.n, recipe=unit.recipe)
        log.debug("Unit {}: {} frames, {} parts, {:.2f} s", unit.n, unit.frames, unit.parts, unit.encode_s)

    async def probe_quality(self, command: ProbeQuality) -> None:
        """Find the constant quality that reaches the target, and announce the recipe with it.

        Raises:
            PermanentError: As `encode_segment`.
            TransientError: As `encode_segment`.
        """
        shop = self._workshop
        await self._check_encoder(command.recipe)
        search = LadderSearch(goal=_goal(command), recipe=command.recipe)
        async with self._folder() as folder:
            bundles = [
                str(await shop.units.bundle(UnitPlace(job=command.job, run=command.run, n=n), folder))
                for n in command.units
            ]
            while (crfs := search.next()) is not None:
                task = QualityTask(
                    bundles=tuple(bundles),
                    recipe=command.recipe,
                    crfs=crfs,
                    metric=search.metric,
                    frames=command.pictures,
                    threads=self._threads(),
                    max_pixels=shop.limits.max_pixels,
                )
                search.learn(crfs, (await shop.meter.measure(task)).values)
        recipe, warnings = search.tuned()
        await shop.announcer.announce(
            RecipeChosen(
                job=command.job, run=command.run, attempt=command.attempt, recipe=recipe, warnings=warnings
            )
        )

    async def _check_encoder(self, recipe: Recipe) -> None:
        proof = await self._workshop.proofs.of(recipe.encoder)
        if not proof.usable:
            raise MissingEncoderError(recipe.encoder, proof.reason)
        if recipe.version and recipe.version != proof.version:
            raise OtherEncoderError(recipe.encoder, wanted=recipe.version, have=proof.version)

    async def _encode(self, command: EncodeSegment) -> UnitSidecar:
        shop = self._workshop
        async with self._folder() as folder:
            place = UnitPlace(job=command.job, run=command.run, n=command.n, generation=command.generation)
            bundle = await shop.units.bundle(place, folder)
            made = folder / "made"
            made.mkdir()
            task = EncodeTask(
                bundle=str(bundle),
                folder=str(made),
                recipe=command.recipe,
                n=command.n,
                generation=command.generation,
                threads=self._threads(command.rest),
                max_pixels=shop.limits.max_pixels,
                thumbnail_every_s=shop.limits.thumbnail_every_s,
                thumbnail_width=shop.limits.thumbnail_width,
                salvage=command.salvage,
                metric=command.quality.metric if command.quality is not None else "",
                decoders=shop.decoders(),
            )

            async def tell(done: int, total: int) -> None:
                await self._progress(command, done, total)

            await self._progress(command, 0, None)
            report = await shop.encoder.encode(task, tell)
            return await shop.units.store(command, report, made)

    async def _progress(self, command: EncodeSegment, done: int, total: int | None) -> None:
        progress = Progress(
            job=command.job,
            run=command.run,
            stage="encode",
            done=done,
            total=total,
            unit="frames",
            at_ms=round(self._workshop.clock.now() * 1000),
            subject=str(command.n),
        )
        try:
            await self._workshop.announcer.progress(progress)
        except TransientError as error:
            # Worth nothing after a moment, and so never worth the work that it tells of.
            logger.bind(action="progress.lost").debug("{}", error.message)

    def _threads(self, rest: int | None = None) -> int:
        limits, in_hand = self._workshop.limits, self._workshop.in_hand()
        return encode_threads(cores=limits.cores, slots=limits.slots, in_hand=in_hand, rest=rest)

    @asynccontextmanager
    async def _folder(self) -> AsyncIterator[Path]:
        """Give a folder of its own on the scratch volume, and clear it away whatever happens."""
        self._workshop.scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="unit-", dir=self._workshop.scratch))
        try:
            yield folder
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))
