"""The work of merge: the live playlist, and the joining of what was encoded. Safe to run twice."""

import asyncio
import shutil
from collections import OrderedDict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import msgspec
from cinelog_common.cmaf.initinfo import init_info
from cinelog_common.cmaf.playlists import write_media_playlist, write_multivariant_playlist
from cinelog_common.contract import keys
from cinelog_common.contract.commands import AssembleOutput, ExtendPlaylist, Extent
from cinelog_common.contract.events import OutputAssembled, PlaylistExtended
from cinelog_common.contract.sidecars import Sidecar
from cinelog_common.contract.values import Output, Recipe, Track
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.objects.errors import ConflictError, ObjectMissingError
from cinelog_common.objects.ports import ObjectStore

from cinelog_merge.domain.presentation import (
    MASTER,
    Piece,
    Strand,
    media_playlist,
    multivariant,
    pieces_of,
    sidecar_keys,
    strands,
    target_duration,
)
from cinelog_merge.ports import Announcer, Joined, Joiner, JoinFile, JoinOrder, JoinPart

REMEMBERED_SIDECARS = 20_000
PARALLEL_READS = 16


class Library:
    """Reads what lies in the object store about a run. Sidecars never change, so they are remembered."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._sidecars: OrderedDict[str, Sidecar] = OrderedDict()
        self._turns = asyncio.Semaphore(PARALLEL_READS)

    async def pieces(self, strand: Strand, extent: Extent, *, job: str, run: int) -> list[Piece]:
        """Return the segments of `strand` as far as `extent` reaches.

        Raises:
            TransientError: A sidecar is not there yet, or the store does not answer.
        """
        names = sidecar_keys(strand, extent, job, run)
        return pieces_of(await asyncio.gather(*(self._sidecar(name) for name in names)))

    async def init(self, key: str) -> bytes:
        """Return an init segment."""
        return await self._objects.get(key)

    async def _sidecar(self, key: str) -> Sidecar:
        known = self._sidecars.get(key)
        if known is not None:
            self._sidecars.move_to_end(key)
            return known
        async with self._turns:
            try:
                data = await self._objects.get(key)
            except ObjectMissingError as error:
                raise TransientError(f"{key} is not there yet.", category=Category.DEPENDENCY) from error
        try:
            sidecar = msgspec.json.decode(data, type=Sidecar)
        except msgspec.DecodeError as error:
            raise PermanentError(f"{key} is broken: {error}.", category=Category.DAMAGED) from error
        self._sidecars[key] = sidecar
        if len(self._sidecars) > REMEMBERED_SIDECARS:
            self._sidecars.popitem(last=False)
        return sidecar


class PlaylistExtender:
    """Carries out `ExtendPlaylist`."""

    def __init__(self, objects: ObjectStore, library: Library, announcer: Announcer) -> None:
        self._objects = objects
        self._library = library
        self._announcer = announcer

    async def __call__(self, command: ExtendPlaylist) -> None:
        """Let the live playlists reach as far as the command says, never less far than they do.

        Raises:
            TransientError: The store does not answer.
            PermanentError: The segments break a rule that players rely on.
        """
        job, run = command.job, command.run
        base = keys.live_prefix(job, run)
        chosen = strands(command.recipe, command.tracks)
        pieces = {
            strand.name: await self._library.pieces(strand, command.extent, job=job, run=run)
            for strand in chosen
        }
        target = target_duration(command.max_segment_s, pieces, final=False)
        for strand in chosen:
            text = write_media_playlist(
                media_playlist(pieces[strand.name], base=base, target=target, ended=command.ended)
            )
            await self._lengthen(f"{base}{strand.name}.m3u8", text)
        if any(pieces.values()):
            codecs = await _codecs(self._library, chosen, pieces)
            master = multivariant(command.recipe, _present(command.tracks, codecs), pieces, codecs=codecs)
            await self._objects.create(base + MASTER, write_multivariant_playlist(master).encode())
        await self._announcer.announce(
            PlaylistExtended(
                job=job,
                run=run,
                attempt=command.attempt,
                version=command.version,
                units=command.extent.units,
                tracks=command.extent.tracks,
                key=base + MASTER,
                ended=command.ended,
            )
        )

    async def _lengthen(self, key: str, text: str) -> None:
        """Put `text` in place of what it extends; a playlist that is already longer stays."""
        while True:
            try:
                current = await self._objects.read(key)
            except ObjectMissingError:
                current = None
            if current is not None and len(current.data) >= len(text.encode()):
                return
            etag = current.info.etag if current is not None else None
            try:
                await self._objects.replace(key, text.encode(), if_match=etag)
            except ConflictError:
                continue  # somebody else was quicker: look again
            return


class OutputAssembler:
    """Carries out `AssembleOutput`."""

    def __init__(
        self, objects: ObjectStore, library: Library, announcer: Announcer, *, joiner: Joiner, scratch: Path
    ) -> None:
        self._objects = objects
        self._library = library
        self._announcer = announcer
        self._joiner = joiner
        self._scratch = scratch

    async def __call__(self, command: AssembleOutput) -> None:
        """Join everything into the wanted containers, check it, store it, announce it.

        Raises:
            TransientError: A piece is missing or the store does not answer.
            PermanentError: The pieces do not fit together.
        """
        job, run = command.job, command.run
        chosen = strands(command.recipe, command.tracks)
        pieces = {
            strand.name: await self._library.pieces(strand, command.extent, job=job, run=run)
            for strand in chosen
        }
        chosen = tuple(strand for strand in chosen if pieces[strand.name])
        if not chosen:
            raise PermanentError("There is nothing to join.", category=Category.NOT_MEDIA)
        for strand in chosen:
            _check_one_init(pieces[strand.name])
        outputs: list[Output] = []
        files = [container for container in command.containers if container != "hls"]
        if files:
            outputs += await self._files(command, chosen, pieces)
        if "hls" in command.containers:
            outputs.append(await self._hls(command, chosen, pieces))
        await self._announcer.announce(
            OutputAssembled(job=job, run=run, attempt=command.attempt, outputs=tuple(outputs))
        )

    async def _files(
        self, command: AssembleOutput, chosen: Sequence[Strand], pieces: dict[str, list[Piece]]
    ) -> list[Output]:
        """Join the best picture and every sound into one file per container."""
        picture = next((strand for strand in chosen if strand.kind == "video"), None)
        wanted = [strand for strand in chosen if strand is picture or strand.kind == "audio"]
        folder = self._scratch / "join" / command.job / str(command.run) / command.id
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        try:
            order = JoinOrder(
                folder=str(folder),
                parts=tuple([await self._staged(folder, strand, pieces[strand.name]) for strand in wanted]),
                files=_file_names(command, has_picture=picture is not None),
                title=command.title,
                tags=command.tags,
                verify=command.verify,
            )
            joined = await self._joiner.join(order)
            return [await self._stored(command, folder, one) for one in joined]
        finally:
            await asyncio.to_thread(_remove, folder)

    async def _staged(self, folder: Path, strand: Strand, pieces: Sequence[Piece]) -> JoinPart:
        """Bring the fragments of `strand` within reach of a process that reads files."""
        paths = []
        for index, piece in enumerate(pieces):
            path = self._objects.local_path(piece.part.key)
            if path is None:
                path = folder / strand.name / f"{index:06d}.m4s"
                await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
                await self._objects.fetch_to(piece.part.key, path)
            paths.append(str(path))
        init = folder / f"{strand.name}.init.mp4"
        await asyncio.to_thread(init.write_bytes, await self._library.init(pieces[0].init_key))
        return JoinPart(
            kind=strand.kind,
            init=str(init),
            fragments=tuple(paths),
            starts=tuple(piece.part.start for piece in pieces),
            ends=tuple(piece.part.end for piece in pieces),
            samples=tuple(piece.part.frames for piece in pieces),
            checksums=tuple(piece.part.checksum for piece in pieces),
            language=strand.track.language if strand.track else None,
        )

    async def _stored(self, command: AssembleOutput, folder: Path, joined: Joined) -> Output:
        key = keys.output_prefix(command.job, command.run) + joined.name
        stored = await self._objects.link_from(key, folder / joined.name)
        return Output(
            kind=joined.kind,
            key=key,
            size_bytes=stored.info.size_bytes,
            width=joined.width,
            height=joined.height,
            frames=joined.frames,
            duration_s=joined.duration_s,
        )

    async def _hls(
        self, command: AssembleOutput, chosen: Sequence[Strand], pieces: dict[str, list[Piece]]
    ) -> Output:
        base = keys.output_prefix(command.job, command.run)
        target = target_duration(command.max_segment_s, pieces, final=True)
        for strand in chosen:
            playlist = media_playlist(pieces[strand.name], base=base, target=target, ended=True, vod=True)
            await self._objects.create(f"{base}{strand.name}.m3u8", write_media_playlist(playlist).encode())
        codecs = await _codecs(self._library, chosen, pieces)
        tracks = _present(command.tracks, codecs)
        master = multivariant(_with(command.recipe, codecs), tracks, pieces, codecs=codecs, final=True)
        await self._objects.create(base + MASTER, write_multivariant_playlist(master).encode())
        best = next((strand for strand in chosen if strand.kind == "video"), None)
        shown = pieces[(best or chosen[0]).name]
        size = sum(piece.part.size_bytes for strand in chosen for piece in pieces[strand.name])
        width, height = _size(best)
        return Output(
            kind="hls",
            key=base + MASTER,
            size_bytes=size,
            width=width,
            height=height,
            frames=sum(piece.part.frames for piece in shown) if best else None,
            duration_s=round(float(sum((piece.duration for piece in shown), Fraction(0))), 6),
        )


async def _codecs(
    library: Library, chosen: Sequence[Strand], pieces: dict[str, list[Piece]]
) -> dict[str, str]:
    """Return the codec of every strand that has begun, read from its init segment."""
    return {
        strand.name: init_info(await library.init(pieces[strand.name][0].init_key)).codec
        for strand in chosen
        if pieces[strand.name]
    }


def _present(tracks: Sequence[Track], codecs: dict[str, str]) -> tuple[Track, ...]:
    return tuple(track for track in tracks if track.name in codecs)


def _with(recipe: Recipe | None, codecs: dict[str, str]) -> Recipe | None:
    """Return `recipe` if its picture exists: a source without one has none to list."""
    return recipe if recipe is not None and recipe.renditions[0].name in codecs else None


def _size(best: Strand | None) -> tuple[int | None, int | None]:
    if best is None:
        return None, None
    if best.rendition is not None:
        return best.rendition.width, best.rendition.height
    return (best.track.width, best.track.height) if best.track is not None else (None, None)


def _check_one_init(pieces: Sequence[Piece]) -> None:
    first = pieces[0].init_hash
    for piece in pieces:
        if piece.init_hash != first:
            raise PermanentError(
                f"{piece.part.key} was encoded with other parameters than the segments before it.",
                category=Category.INTERNAL,
                action="Retry the job.",
            )


def _file_names(command: AssembleOutput, *, has_picture: bool) -> tuple[JoinFile, ...]:
    if not has_picture:
        suffix = "webm" if "webm" in command.containers else "m4a"
        return (JoinFile(name=f"audio.{suffix}", kind="audio"),)
    return tuple(
        JoinFile(name=f"video.{container}", kind=container)
        for container in command.containers
        if container != "hls"
    )


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
