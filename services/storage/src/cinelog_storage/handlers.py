"""The work of storage: ends a run. The manifest, created once, decides between a result and a tombstone."""

import asyncio
import shutil
from pathlib import Path

import msgspec
from cinelog_common.clock import Clock
from cinelog_common.contract import keys
from cinelog_common.contract.commands import PublishOutput
from cinelog_common.contract.events import Event, JobCancelled, JobCompleted, JobFailed
from cinelog_common.contract.sidecars import Manifest
from cinelog_common.contract.values import Failure, Output
from cinelog_common.errors import Category, PermanentError
from cinelog_common.objects.errors import ObjectMissingError
from cinelog_common.objects.ports import ObjectStore
from loguru import logger

from cinelog_storage.ports import Announcer, Gallerist, Gallery, GalleryOrder, ShelfMaker


class OutputPublisher:
    """Carries out `PublishOutput`."""

    def __init__(
        self, objects: ObjectStore, announcer: Announcer, *, parts: "Parts", clock: Clock, scratch: Path
    ) -> None:
        self._objects = objects
        self._announcer = announcer
        self._parts = parts
        self._clock = clock
        self._scratch = scratch

    async def __call__(self, command: PublishOutput) -> None:
        """End the run as the command says, unless it has ended already; announce the end that holds.

        Raises:
            TransientError: A store does not answer.
            PermanentError: The destination cannot be written.
        """
        held = await self._manifest(command)
        if held is None and command.outcome == "completed":
            held = await self._complete(command)
        elif held is None:
            held = await self._commit(command, self._tombstone(command))
        await self._announcer.announce(_ending(command, held))

    async def _complete(self, command: PublishOutput) -> Manifest:
        """Bring everything into place, then commit; take it back if another end was quicker."""
        outputs, warnings = await self._with_gallery(command)
        outputs.append(await self._metadata(command, outputs))
        shelf = None
        if command.destination is not None:
            shelf = self._parts.shelves.open(command.destination)
            outputs = [await shelf.place(output, title=command.title, job=command.job) for output in outputs]
        manifest = Manifest(
            job=command.job,
            run=command.run,
            outcome="completed",
            created_ms=self._now_ms(),
            title=command.title,
            source_url=command.source_url,
            outputs=tuple(outputs),
            warnings=(*command.warnings, *warnings),
        )
        held = await self._commit(command, manifest)
        if held.outcome != "completed" and shelf is not None:
            await shelf.remove(tuple(outputs))
        return held

    async def _commit(self, command: PublishOutput, manifest: Manifest) -> Manifest:
        """Create the manifest and return the one that holds: ours, or that of whoever was first."""
        key = keys.manifest(command.job, command.run)
        await self._objects.create(key, msgspec.json.encode(manifest))
        return msgspec.json.decode(await self._objects.get(key), type=Manifest)

    async def _manifest(self, command: PublishOutput) -> Manifest | None:
        try:
            data = await self._objects.get(keys.manifest(command.job, command.run))
        except ObjectMissingError:
            return None
        return msgspec.json.decode(data, type=Manifest)

    def _tombstone(self, command: PublishOutput) -> Manifest:
        return Manifest(
            job=command.job,
            run=command.run,
            outcome=command.outcome,
            created_ms=self._now_ms(),
            title=command.title,
            source_url=command.source_url,
            failure=command.failure,
        )

    async def _with_gallery(self, command: PublishOutput) -> tuple[list[Output], tuple[str, ...]]:
        """Return the outputs with poster and sprite sheet; a video without them is still a result."""
        outputs = list(command.outputs)
        folder = self._scratch / "gallery" / command.job / command.id
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        try:
            bundles = await self._thumbnails(command, folder)
            if not bundles:
                return outputs, ()
            order = GalleryOrder(
                bundles=tuple(bundles), folder=str(folder), duration_s=command.duration_s or 0.0
            )
            gallery = await self._parts.gallerist.make(order)
            outputs += await self._stored(command, folder, gallery)
        except PermanentError as error:
            if error.category is not Category.DAMAGED:
                raise
            logger.bind(action="gallery.failed", job_id=command.job).warning("{}", error.message)
            return outputs, (f"There is no poster: {error.message}",)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return outputs, ()

    async def _thumbnails(self, command: PublishOutput, folder: Path) -> list[str]:
        """Return files with the small pictures of every unit that has some."""
        if command.recipe is None:
            return []
        absent = frozenset(command.extent.absent)
        found = []
        for n in range(command.extent.units):
            generation = command.extent.generations.get(str(n), 0)
            key = keys.thumbnails(
                command.job, command.run, recipe=command.recipe.hash, n=n, generation=generation
            )
            if n in absent or await self._objects.head(key) is None:
                continue
            path = self._objects.local_path(key)
            if path is None:
                path = folder / f"{n:06d}.pkts"
                await self._objects.fetch_to(key, path)
            found.append(str(path))
        return found

    async def _stored(self, command: PublishOutput, folder: Path, gallery: Gallery) -> list[Output]:
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
            size = (gallery.width, gallery.height) if kind == "poster" else (None, None)
            outputs.append(
                Output(
                    kind=kind,
                    key=base + name,
                    size_bytes=stored.info.size_bytes,
                    width=size[0],
                    height=size[1],
                )
            )
        return outputs

    async def _metadata(self, command: PublishOutput, outputs: list[Output]) -> Output:
        key = keys.output_prefix(command.job, command.run) + "metadata.json"
        document = {
            "title": command.title,
            "source_url": command.source_url,
            "duration_s": command.duration_s,
            "video": msgspec.to_builtins(command.recipe) if command.recipe else None,
            "outputs": msgspec.to_builtins(outputs),
        }
        stored = await self._objects.create(key, msgspec.json.encode(document))
        return Output(kind="metadata", key=key, size_bytes=stored.info.size_bytes)

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)


class Parts:
    """What publishing is made of, besides the object store."""

    def __init__(self, gallerist: Gallerist, shelves: ShelfMaker) -> None:
        self.gallerist = gallerist
        self.shelves = shelves


def _ending(command: PublishOutput, held: Manifest) -> Event:
    """Return the event that announces the end that holds, whatever this command wanted."""
    job, run, attempt = command.job, command.run, command.attempt
    if held.outcome == "completed":
        key = keys.manifest(job, run)
        manifest = Output(kind="manifest", key=key)
        return JobCompleted(
            job=job,
            run=run,
            attempt=attempt,
            manifest_key=key,
            outputs=(*held.outputs, manifest),
            warnings=held.warnings,
        )
    if held.outcome == "cancelled":
        return JobCancelled(job=job, run=run, attempt=attempt)
    failure = held.failure or Failure(category=Category.INTERNAL, message="The run failed.")
    return JobFailed(job=job, run=run, attempt=attempt, failure=failure)
