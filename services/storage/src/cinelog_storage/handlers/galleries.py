"""Poster and sprite sheet of a run: gathered from what transcode decoded anyway, made in a child, stored."""

import asyncio
import shutil
from pathlib import Path

from cinelog_common.contract import keys
from cinelog_common.contract.commands import PublishOutput
from cinelog_common.contract.values import Output, Value
from cinelog_common.errors import CinelogError, PermanentError, TransientError
from cinelog_common.objects.errors import ObjectMissingError, of_the_system
from cinelog_common.objects.ports import ObjectStore
from loguru import logger

from cinelog_storage.ports import Gallerist, Gallery, GalleryOrder

FETCHES_AT_A_TIME = 8
PATIENCE = 2
"""Attempts at a run's end that wait for its pictures; after them it ends without."""


class GalleryResult(Value, frozen=True, kw_only=True):
    """The pictures of a run, and why there are none."""

    outputs: tuple[Output, ...] = ()
    warnings: tuple[str, ...] = ()


class Galleries:
    """Makes the pictures of a run. A film without a poster is still a film: they never end a job."""

    def __init__(self, objects: ObjectStore, gallerist: Gallerist, *, scratch: Path) -> None:
        self._objects = objects
        self._gallerist = gallerist
        self._scratch = scratch
        self._turns = asyncio.Semaphore(FETCHES_AT_A_TIME)

    async def make(self, command: PublishOutput) -> GalleryResult:
        """Return poster, sprite sheet and its cues, as far as there are any.

        Raises:
            TransientError: The object store does not answer.
            PermanentError: The scratch folder or the store cannot be written.
        """
        folder = self._scratch / "gallery" / command.id
        try:
            await asyncio.to_thread(_emptied, folder)
        except OSError as error:
            raise of_the_system(error, f"cannot write to {folder}") from error
        try:
            bundles = await self._bundles(command, folder)
            if not bundles:
                return GalleryResult()
            order = GalleryOrder(
                bundles=tuple(bundles), folder=str(folder), duration_s=command.duration_s or 0.0
            )
            try:
                gallery = await self._gallerist.make(order)
            except TransientError as error:
                if command.attempt <= PATIENCE:
                    raise
                return _without(command, error)
            except PermanentError as error:
                return _without(command, error)
            return GalleryResult(outputs=await self._stored(command, folder, gallery))
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _bundles(self, command: PublishOutput, folder: Path) -> list[str]:
        """Return files with the small pictures of every unit that has some, in order."""
        if command.recipe is None:
            return []
        absent = frozenset(command.extent.absent)
        wanted = [
            keys.thumbnails(
                command.job,
                command.run,
                recipe=command.recipe.hash,
                n=n,
                generation=command.extent.generations.get(str(n), 0),
            )
            for n in range(command.extent.units)
            if n not in absent
        ]
        found = await asyncio.gather(
            *(self._within_reach(key, folder / f"{n:06d}.pkts") for n, key in enumerate(wanted))
        )
        return [str(path) for path in found if path is not None]

    async def _within_reach(self, key: str, path: Path) -> Path | None:
        """Return a file of this machine with the object's content; None if there is no such object."""
        own = self._objects.local_path(key)
        if own is not None:
            return own if await asyncio.to_thread(own.is_file) else None
        async with self._turns:
            try:
                await self._objects.fetch_to(key, path)
            except ObjectMissingError:
                return None
        return path

    async def _stored(self, command: PublishOutput, folder: Path, gallery: Gallery) -> tuple[Output, ...]:
        base = keys.output_prefix(command.job, command.run)
        outputs = []
        for kind, name in (
            ("poster", gallery.poster),
            ("sprite", gallery.sprite),
            ("thumbnails", gallery.vtt),
        ):
            if name is None:
                continue
            stored = await self._objects.create(base + name, folder / name)
            output = Output(kind=kind, key=base + name, size_bytes=stored.info.size_bytes)
            if kind == "poster":
                output = Output(
                    kind=kind,
                    key=output.key,
                    size_bytes=output.size_bytes,
                    width=gallery.width,
                    height=gallery.height,
                )
            outputs.append(output)
        return tuple(outputs)


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)


def _without(command: PublishOutput, error: CinelogError) -> GalleryResult:
    logger.bind(action="gallery.failed", job_id=command.job).warning("{}", error.message)
    return GalleryResult(warnings=(f"There is no poster: {error.message}",))
