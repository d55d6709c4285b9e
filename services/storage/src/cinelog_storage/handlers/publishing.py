"""The work of storage: ends a run. The manifest, created once, decides between a result and a tombstone."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from cinelog_common.clock import Clock
from cinelog_common.contract import keys
from cinelog_common.contract.commands import PublishOutput
from cinelog_common.contract.events import Event, JobCancelled, JobCompleted, JobFailed
from cinelog_common.contract.sidecars import Manifest
from cinelog_common.contract.values import Failure, Output, Value
from cinelog_common.errors import Category, PermanentError
from cinelog_common.live import close_playlists
from cinelog_common.objects.errors import ObjectMissingError
from cinelog_common.objects.ports import Created, ObjectStore
from loguru import logger
from msgspec.structs import replace

from cinelog_storage.domain.metadata import metadata_of
from cinelog_storage.handlers.galleries import Galleries
from cinelog_storage.ports import Announcer, Shelf, ShelfMaker

Written = TypeVar("Written")


class Ended(Value, frozen=True, kw_only=True):
    """How the run ended, and where its outputs are now."""

    held: Manifest
    outputs: tuple[Output, ...] = ()
    warnings: tuple[str, ...] = ()


class OutputPublisher:
    """Carries out `PublishOutput`.

    Outputs are staged out of sight, the manifest commits, and only then is anything revealed:
    whatever dies in between, the next attempt finds the manifest and goes on from there.
    """

    def __init__(
        self,
        objects: ObjectStore,
        announcer: Announcer,
        *,
        galleries: Galleries,
        shelves: ShelfMaker,
        clock: Clock,
    ) -> None:
        self._objects = objects
        self._announcer = announcer
        self._galleries = galleries
        self._shelves = shelves
        self._clock = clock

    async def __call__(self, command: PublishOutput) -> None:
        """End the run as the command says, unless it has ended already; announce the end that holds.

        Raises:
            TransientError: A store does not answer.
            PermanentError: The destination cannot be written.
        """
        held = await self._manifest(command)
        if held is None:
            held = await (self._deliver if command.outcome == "completed" else self._bury)(command)
        # Before it is told, so that whoever hears of the end finds no playlist that waits for more.
        await self._with_room(command, lambda: close_playlists(self._objects, command.job, command.run))
        ended = await self._settle(command, held)
        stored = await self._objects.head(keys.manifest(command.job, command.run))
        await self._announcer.announce(_ending(command, ended, stored.size_bytes if stored else 0))
        await self._drop_packets(command)

    async def _result(self, command: PublishOutput) -> Manifest:
        """Make what is still missing and bring everything within a rename of its place."""
        gallery = await self._galleries.make(command)
        outputs = [*command.outputs, *gallery.outputs]
        outputs.append(await self._metadata(command, outputs))
        shelf = self._shelf(command.destination, command)
        staged = tuple(outputs) if shelf is None else await shelf.stage(outputs, title=command.title)
        return Manifest(
            job=command.job,
            run=command.run,
            outcome="completed",
            created_ms=self._now_ms(),
            title=command.title,
            source_url=command.source_url,
            outputs=staged,
            warnings=(*command.warnings, *gallery.warnings),
            destination=command.destination,
        )

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

    async def _deliver(self, command: PublishOutput) -> Manifest:
        return await self._commit(command, await self._result(command))

    async def _bury(self, command: PublishOutput) -> Manifest:
        tombstone = self._tombstone(command)
        return await self._with_room(command, lambda: self._commit(command, tombstone))

    async def _with_room(self, command: PublishOutput, write: Callable[[], Awaitable[Written]]) -> Written:
        """Write what ends the run. A full disk has room for it when the packets are gone.

        They may go before the end is settled: a result that wins after all was joined without them.
        """
        try:
            return await write()
        except PermanentError as error:
            if error.category != Category.NO_SPACE or not await self._drop_packets(command):
                raise
        return await write()

    async def _drop_packets(self, command: PublishOutput) -> int:
        """Remove what nobody encodes any more, as another run fetches anew; return how many there were."""
        return await self._objects.delete_prefix(keys.source_prefix(command.job, command.run))

    async def _commit(self, command: PublishOutput, manifest: Manifest) -> Manifest:
        """Create the manifest and return the one that holds: ours, or that of whoever was first."""
        key = keys.manifest(command.job, command.run)
        made = await self._objects.create(key, msgspec.json.encode(manifest))
        return manifest if isinstance(made, Created) else await self._read(key)

    async def _settle(self, command: PublishOutput, held: Manifest) -> Ended:
        """Let the destination show what the manifest says: the result, or nothing of this run."""
        if held.outcome != "completed":
            shelf = self._shelf(command.destination, command)
            if shelf is not None:
                await shelf.discard()
            return Ended(held=held)
        shelf = self._shelf(held.destination, command)
        if shelf is None:
            return Ended(held=held, outputs=held.outputs)
        try:
            return Ended(held=held, outputs=await shelf.reveal(held.outputs))
        except PermanentError as error:
            # The run has a result whatever becomes of the folder; failing now would contradict the manifest.
            logger.bind(action="shelf.unwritable", job_id=command.job).warning("{}", error.message)
            return Ended(
                held=held,
                outputs=tuple(replace(output, path=None) for output in held.outputs),
                warnings=(f"The result is in the object store only: {error.message}",),
            )

    def _shelf(self, destination: str | None, command: PublishOutput) -> Shelf | None:
        if destination is None:
            return None
        return self._shelves.open(destination, job=command.job, run=command.run)

    async def _manifest(self, command: PublishOutput) -> Manifest | None:
        try:
            return await self._read(keys.manifest(command.job, command.run))
        except ObjectMissingError:
            return None

    async def _read(self, key: str) -> Manifest:
        data = await self._objects.get(key)
        try:
            return msgspec.json.decode(data, type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PermanentError(
                f"The manifest {key} is broken: {error}.",
                category=Category.DAMAGED,
                action="Check the object store; remove the object to let the run end anew.",
            ) from error

    async def _metadata(self, command: PublishOutput, outputs: list[Output]) -> Output:
        key = keys.output_prefix(command.job, command.run) + "metadata.json"
        document = msgspec.json.format(msgspec.json.encode(metadata_of(command, outputs)), indent=2)
        stored = await self._objects.create(key, document)
        return Output(kind="metadata", key=key, size_bytes=stored.info.size_bytes)

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)


def _ending(command: PublishOutput, ended: Ended, manifest_bytes: int) -> Event:
    """Return the event that announces the end that holds, whatever this command wanted."""
    job, run, attempt = command.job, command.run, command.attempt
    held = ended.held
    if held.outcome == "completed":
        key = keys.manifest(job, run)
        return JobCompleted(
            job=job,
            run=run,
            attempt=attempt,
            manifest_key=key,
            outputs=(*ended.outputs, Output(kind="manifest", key=key, size_bytes=manifest_bytes)),
            warnings=(*held.warnings, *ended.warnings),
        )
    if held.outcome == "cancelled":
        return JobCancelled(job=job, run=run, attempt=attempt)
    failure = held.failure or Failure(category=Category.INTERNAL, message="The run failed.")
    return JobFailed(job=job, run=run, attempt=attempt, failure=failure)
