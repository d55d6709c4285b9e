"""The one command of this service: bring a source in, take it apart, store and tell every piece.

Every attempt walks over the whole source again, from the part files that are still there: what is
stored already is recognised and only told again, with the same ids.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from cinelog_common.clock import Clock
from cinelog_common.contract import keys
from cinelog_common.contract.commands import FetchSource
from cinelog_common.contract.events import SourceEnded, TrackOpened
from cinelog_common.contract.sidecars import Sidecar, decode_document, encode_document
from cinelog_common.contract.status import Progress
from cinelog_common.contract.values import Subtitle
from cinelog_common.errors import Category, CinelogError, PermanentError
from cinelog_common.objects.errors import ObjectMissingError
from cinelog_common.objects.ports import Exists, ObjectStore
from cinelog_fastio import checksum
from loguru import logger

from cinelog_download.domain import facts
from cinelog_download.domain.demuxing import (
    CoverFound,
    DemuxOrder,
    Finished,
    FragmentCut,
    Limits,
    Message,
    Probed,
    TextFile,
    TextFound,
    TrackBegun,
    TrackDone,
    UnitCut,
)
from cinelog_download.domain.fingerprints import (
    InputMark,
    SourcePlan,
    difference,
    fingerprint,
    head_bytes,
    head_digest,
)
from cinelog_download.domain.subtitling import best_versions, left_out, none_of, text_file
from cinelog_download.ports import (
    Announcer,
    Demuxer,
    Fetch,
    Fetcher,
    Resolved,
    Resolver,
    RunFolder,
    TextFetcher,
)
from cinelog_download.ports import Subtitle as SubtitleFile

_AHEAD = 8
"""Pieces that may wait to be stored while the demuxer goes on."""
_PROGRESS_S = 0.5
_TEXTS_AT_A_TIME = 4


class SourceChangedError(PermanentError):
    """The source is not the one that this run began with."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"The source changed since this run began: {detail}.",
            category=Category.SOURCE_CHANGED,
            action="Retry the job: a new run takes the source as it is now.",
        )


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """What the handler works with."""

    resolver: Resolver
    fetcher: Fetcher
    demuxer: Demuxer
    texts: TextFetcher
    objects: ObjectStore
    announcer: Announcer
    clock: Clock
    folder: Callable[[str, int], RunFolder]
    limits: Limits = Limits()


class Brought:
    """What one attempt had of the source in the end, what was there before included."""

    size_bytes = 0


class Beside(NamedTuple):
    """Subtitle files that were fetched, and what could not be."""

    files: tuple[TextFile, ...]
    warnings: tuple[str, ...]


class FetchHandler:
    """Carries out `FetchSource`. Safe to run any number of times, and to be stopped at any point."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def __call__(self, command: FetchSource) -> None:
        """Bring the source in; returns when `SourceEnded` is a fact.

        Raises:
            TransientError: The same may succeed later; part files are kept for that.
            PermanentError: It never will.
        """
        folder = self._tools.folder(command.job, command.run)
        await folder.prepare()
        try:
            await self._fetch(command, folder)
        except PermanentError:
            await folder.remove()
            raise
        except BaseException:
            await folder.clear()
            raise
        await folder.remove()

    async def _fetch(self, command: FetchSource, folder: RunFolder) -> None:
        had = -1
        while True:
            brought = Brought()
            resolved = await self._tools.resolver.resolve(command.source)
            try:
                await self._bring_in(command, resolved, folder, brought)
                return
            except PermanentError as error:
                # Signed addresses of pages expire: the page is asked anew as long as that brings more.
                expired = error.category == Category.SOURCE_FORBIDDEN and resolved.extractor != "direct"
                if brought.size_bytes <= had or not expired:
                    raise
                had = brought.size_bytes
                logger.bind(action="source.expired", job_id=command.job).info("Resolving the source again")
                await folder.prepare()
            finally:
                await self._tools.resolver.release(resolved)

    async def _bring_in(
        self, command: FetchSource, resolved: Resolved, folder: RunFolder, brought: Brought
    ) -> None:
        async with (
            self._open(resolved, folder, brought) as fetches,
            self._progress(command, fetches),
            self._beside(command, resolved, folder) as beside,
        ):
            plan = await self._plan(command, resolved, fetches)
            sizes = [fetch.size for fetch in fetches]
            background = facts.Background(
                fingerprint=plan.fingerprint,
                title=resolved.title,
                by_page=resolved.extractor != "direct",
                size_bytes=_sum(sizes),
                inputs=len(fetches),
                duration_s=resolved.duration_s,
                tags=resolved.tags,
                chapters=resolved.chapters,
                warnings=resolved.warnings,
            )
            inputs = tuple(
                wanted.part(fetch.path, fetch.size)
                for wanted, fetch in zip(resolved.inputs, fetches, strict=True)
            )
            order = facts.order_for(command, inputs, folder.made, self._tools.limits)
            shelf = _Shelf(self._tools, command, background)
            async with aclosing(self._tools.demuxer.demux(order, fetches)) as messages:
                finished = await _store_all(shelf, messages)
            timed = msgspec.structs.replace(order, zero_s=finished.zero_s)
            told = await self._read_texts(timed, shelf, await beside)
            lost = left_out(resolved.lost_texts, command.subtitles)
            told += none_of(command.subtitles, len(shelf.subtitles) + len(lost))
            await self._tools.announcer.announce(
                SourceEnded(
                    job=command.job,
                    run=command.run,
                    units=finished.units,
                    tracks=finished.tracks,
                    size_bytes=_sum([fetch.size for fetch in fetches]) or 0,
                    duration_s=finished.duration_s,
                    warnings=finished.warnings + told,
                    subtitles=tuple(shelf.subtitles),
                )
            )

    @asynccontextmanager
    async def _beside(
        self, command: FetchSource, resolved: Resolved, folder: RunFolder
    ) -> AsyncIterator["asyncio.Task[Beside]"]:
        """Bring the subtitle files of a page in while the film is."""
        fetching = asyncio.create_task(self._fetch_texts(command, resolved, folder))
        try:
            yield fetching
        finally:
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)

    async def _fetch_texts(self, command: FetchSource, resolved: Resolved, folder: RunFolder) -> "Beside":
        languages = command.subtitles if command.video != "none" else "none"
        wanted = best_versions((each for each in resolved.subtitles if not each.automatic), languages)
        most = self._tools.limits.texts
        turns = asyncio.Semaphore(_TEXTS_AT_A_TIME)

        async def fetch(number: int, each: SubtitleFile) -> TextFile | str:
            path = folder.made / f"beside-{number}.{each.format}"
            try:
                async with turns:
                    await self._tools.texts.fetch(each, path)
            except CinelogError as error:
                return f"The subtitles in {each.language} are left out: {error.message}"
            return text_file(each, path)

        found = await asyncio.gather(*(fetch(number, each) for number, each in enumerate(wanted[:most])))
        warnings = [each for each in found if isinstance(each, str)]
        warnings += left_out(resolved.lost_texts, languages)
        if len(wanted) > most:
            warnings.append(f"Of {len(wanted)} subtitle files only {most} are used.")
        return Beside(tuple(each for each in found if isinstance(each, TextFile)), tuple(warnings))

    async def _read_texts(self, order: DemuxOrder, shelf: "_Shelf", beside: "Beside") -> tuple[str, ...]:
        """Read what came beside the film; return warnings, for a film is worth more than its subtitles."""
        if not beside.files:
            return beside.warnings
        reading = msgspec.structs.replace(order, inputs=(), texts=beside.files)
        try:
            async with aclosing(self._tools.demuxer.demux(reading, ())) as messages:
                finished = await _store_all(shelf, messages)
        except CinelogError as error:
            return (*beside.warnings, f"The page's subtitles are left out: {error.message}")
        return beside.warnings + finished.warnings

    @asynccontextmanager
    async def _open(
        self, resolved: Resolved, folder: RunFolder, brought: Brought
    ) -> AsyncIterator[list[Fetch]]:
        fetches: list[Fetch] = []
        try:
            for number, wanted in enumerate(resolved.inputs):
                fetches.append(await self._tools.fetcher.open(wanted, folder.part(number)))
            yield fetches
        finally:
            brought.size_bytes = sum(fetch.bytes_fetched for fetch in fetches)
            for fetch in fetches:
                await fetch.close()

    @asynccontextmanager
    async def _progress(self, command: FetchSource, fetches: Sequence[Fetch]) -> AsyncIterator[None]:
        """Tell how many bytes are there, now and then and at the end."""
        over = asyncio.Event()

        async def tell() -> None:
            while not over.is_set():
                await asyncio.wait([ending], timeout=_PROGRESS_S)
                await self._tell_progress(command, fetches)

        ending = asyncio.create_task(over.wait())
        telling = asyncio.create_task(tell())
        try:
            yield
        finally:
            over.set()
            ending.cancel()
            telling.cancel()
            await asyncio.gather(ending, telling, return_exceptions=True)
        await self._tell_progress(command, fetches)

    async def _tell_progress(self, command: FetchSource, fetches: Sequence[Fetch]) -> None:
        total = _sum([fetch.size for fetch in fetches])
        progress = Progress(
            job=command.job,
            run=command.run,
            stage="fetch",
            done=float(sum(fetch.bytes_fetched for fetch in fetches)),
            total=None if total is None else float(total),
            unit="bytes",
            at_ms=int(self._tools.clock.now() * 1000),
        )
        await self._tools.announcer.progress(progress)

    async def _plan(self, command: FetchSource, resolved: Resolved, fetches: Sequence[Fetch]) -> SourcePlan:
        """Fix what this run's source is, or see that it still is what the run began with."""
        marks = []
        for wanted, fetch in zip(resolved.inputs, fetches, strict=True):
            length = head_bytes(in_pieces=wanted.protocol in {"hls", "pieces"})
            await fetch.wait_for(0, length if fetch.size is None else min(length, fetch.size))
            head = await asyncio.to_thread(_head, fetch.path, length)
            version = fetch.validator.etag or fetch.validator.last_modified or ""
            marks.append(
                InputMark(
                    format_id=wanted.format_id, size_bytes=fetch.size, version=version, head=head_digest(head)
                )
            )
        plan = SourcePlan(
            fingerprint=fingerprint(marks),
            inputs=tuple(marks),
            segment_s=command.segment_s,
            max_segment_s=command.max_segment_s,
        )
        key = keys.plan(command.job, command.run)
        stored = await self._tools.objects.create(key, encode_document(plan))
        if isinstance(stored, Exists):
            first = decode_document(SourcePlan, await self._tools.objects.get(key))
            changed = difference(first, plan, by_version=resolved.extractor == "direct")
            if changed is not None:
                raise SourceChangedError(changed)
            return first
        return plan


class _Shelf:
    """Stores each piece and tells of it, in order."""

    def __init__(self, tools: Tools, command: FetchSource, background: facts.Background) -> None:
        self._objects = tools.objects
        self._announcer = tools.announcer
        self._command = command
        self._background = background
        self._opened: dict[str, TrackOpened] = {}
        self.subtitles: list[Subtitle] = []

    async def take(self, message: Message) -> None:
        """Store and tell one message."""
        match message:
            case CoverFound():
                key = keys.cover(self._command.job, self._command.run)
                await self._store(key, Path(message.path))
                self._background = msgspec.structs.replace(self._background, cover_key=key)
            case Probed():
                event = facts.source_probed(self._command, message, self._background)
                await self._announcer.announce(event)
            case UnitCut():
                await self._unit(message)
            case TrackBegun():
                await self._track(message)
            case FragmentCut():
                await self._fragment(message)
            case TrackDone():
                await self._announcer.announce(facts.track_ended(self._command, message))
            case TextFound():
                await self._text(message)

    async def _unit(self, unit: UnitCut) -> None:
        size = await self._store(facts.bundle_key(self._command, unit), Path(unit.path))
        if size != unit.size_bytes:
            raise SourceChangedError(f"unit {unit.n} was {size} bytes long and is {unit.size_bytes} now")
        await self._announcer.announce(facts.segment_ready(self._command, unit, size))

    async def _text(self, text: TextFound) -> None:
        data = await asyncio.to_thread(Path(text.path).read_bytes)
        found = facts.subtitle(self._command, text, len(self.subtitles), f"{checksum(data):016x}")
        await self._store(found.key, Path(text.path))
        self.subtitles.append(found)

    async def _track(self, track: TrackBegun) -> None:
        event = facts.track_opened(self._command, track)
        await self._store(event.track.init_key, Path(track.init_path))
        self._opened[track.name] = event
        await self._announcer.announce(event)

    async def _fragment(self, fragment: FragmentCut) -> None:
        key = facts.fragment_key(self._command, fragment)
        opened = self._opened[fragment.track]
        sidecar = facts.fragment_sidecar(self._command, fragment, opened)
        sidecar_key = keys.sidecar(facts.track_prefix(self._command, fragment.track), fragment.n)
        stored = await self._objects.link_from(key, Path(fragment.path))
        await asyncio.to_thread(Path(fragment.path).unlink, missing_ok=True)
        if isinstance(stored, Exists):
            # Another attempt's encode, maybe on another processor, whose rounding gave other bytes.
            sidecar = await self._sidecar_of_the_winner(sidecar, sidecar_key)
        else:
            await self._objects.create(sidecar_key, encode_document(sidecar))
        await self._announcer.announce(facts.fragment_ready(self._command, fragment, sidecar))

    async def _sidecar_of_the_winner(self, ours: Sidecar, key: str) -> Sidecar:
        try:
            return decode_document(Sidecar, await self._objects.get(key))
        except ObjectMissingError:
            [part] = ours.parts
            data = await self._objects.get(part.key)
            part = msgspec.structs.replace(part, size_bytes=len(data), checksum=checksum(data))
            winners = msgspec.structs.replace(ours, parts=(part,))
            await self._objects.create(key, encode_document(winners))
            return winners

    async def _store(self, key: str, path: Path) -> int:
        """Store a finished file and give it up; return the size of the object that won."""
        stored = await self._objects.link_from(key, path)
        await asyncio.to_thread(path.unlink, missing_ok=True)
        return stored.info.size_bytes


async def _store_all(shelf: _Shelf, messages: AsyncGenerator[Message, None]) -> Finished:
    """Store pieces while the demuxer works on the next ones; a few may wait."""
    waiting: asyncio.Queue[Message | None] = asyncio.Queue(_AHEAD)

    async def store() -> None:
        while (message := await waiting.get()) is not None:
            await shelf.take(message)

    storing = asyncio.create_task(store())
    try:
        finished: Finished | None = None
        async for message in messages:
            finished = message if isinstance(message, Finished) else finished
            await _put(waiting, message, storing)
        await _put(waiting, None, storing)
        await storing
    finally:
        storing.cancel()
        await asyncio.gather(storing, return_exceptions=True)
    assert finished is not None, "the demuxer ended without a last word"
    return finished


async def _put(
    waiting: "asyncio.Queue[Message | None]", message: Message | None, storing: "asyncio.Task[None]"
) -> None:
    if not waiting.full() and not storing.done():
        waiting.put_nowait(message)
        return
    putting = asyncio.create_task(waiting.put(message))
    try:
        await asyncio.wait({putting, storing}, return_when=asyncio.FIRST_COMPLETED)
        if storing.done():
            # It ends by itself only with an error.
            await storing
    finally:
        if not putting.done():
            putting.cancel()
            await asyncio.gather(putting, return_exceptions=True)


def _head(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length)


def _sum(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
