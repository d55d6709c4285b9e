"""Joins what was encoded into the wanted outputs, without re-encoding, and checks it before it is told."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from cinelog_common.cmaf.dash import write_manifest
from cinelog_common.cmaf.playlists import (
    MultivariantPlaylist,
    write_media_playlist,
    write_multivariant_playlist,
)
from cinelog_common.contract import keys
from cinelog_common.contract.commands import AssembleOutput
from cinelog_common.contract.events import OutputAssembled
from cinelog_common.contract.sidecars import CueSheet, encode_document
from cinelog_common.contract.values import Output, Value
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.objects.errors import ObjectMissingError, of_the_system
from cinelog_common.objects.ports import ObjectStore
from msgspec.structs import replace

from cinelog_merge.domain.captions import Caption, captioned
from cinelog_merge.domain.dashing import representations
from cinelog_merge.domain.presentation import (
    MASTER,
    Piece,
    Strand,
    media_playlist,
    multivariant,
    present,
    shown_recipe,
    strands,
    target_duration,
)
from cinelog_merge.handlers.captioning import Captioner
from cinelog_merge.handlers.judging import judgement
from cinelog_merge.handlers.library import Library
from cinelog_merge.ports import Announcer, Joined, Joiner, JoinFile, JoinOrder, JoinPart, JoinText

FETCHES_AT_A_TIME = 8


class Material(Value, frozen=True, kw_only=True):
    """The strands that hold something, and their pieces."""

    chosen: tuple[Strand, ...]
    pieces: dict[str, list[Piece]]

    @property
    def pictures(self) -> tuple[Strand, ...]:
        """The strands of pictures, the best first."""
        return tuple(strand for strand in self.chosen if strand.kind == "video")

    @property
    def sounds(self) -> tuple[Strand, ...]:
        """The strands of sound."""
        return tuple(strand for strand in self.chosen if strand.kind == "audio")

    @property
    def shown_s(self) -> Fraction:
        """How long the picture lasts, in seconds: 0 without one, since nothing is shown over sound."""
        shown = self.pieces[self.pictures[0].name] if self.pictures else ()
        return sum((piece.duration for piece in shown), Fraction(0))


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
        self._captioner = Captioner(objects)
        self._turns = asyncio.Semaphore(FETCHES_AT_A_TIME)

    async def __call__(self, command: AssembleOutput) -> None:
        """Join everything into the wanted containers, check it, store it, announce it.

        Raises:
            TransientError: A piece is missing or the store does not answer.
            PermanentError: The pieces do not fit together.
        """
        job, run = command.job, command.run
        wanted = strands(command.recipe, command.tracks)
        pieces = await self._library.pieces(wanted, command.extent, job=job, run=run)
        chosen = tuple(strand for strand in wanted if strand.name in pieces)
        if not chosen:
            raise PermanentError("There is nothing to join.", category=Category.NOT_MEDIA)
        for strand in chosen:
            _check_one_init(pieces[strand.name])
        material = Material(chosen=chosen, pieces=pieces)
        captions, warnings = await self._captioner.read(command, material.shown_s)
        outputs = await self._joined(command, material, captions)
        if "hls" in command.containers:
            outputs.append(await self._hls(command, material, captions))
        outputs += await self._captioner.write_files(command, captions)
        quality, misses = await judgement(self._library, command)
        await self._announcer.announce(
            OutputAssembled(
                job=job,
                run=run,
                attempt=command.attempt,
                outputs=tuple(outputs),
                warnings=(*warnings, *misses),
                quality=quality,
            )
        )

    async def _joined(
        self, command: AssembleOutput, material: Material, captions: Sequence[Caption]
    ) -> list[Output]:
        """Join the best picture and every sound into one file per container; look at the other sizes."""
        folder = self._scratch / "join" / command.id
        try:
            await asyncio.to_thread(_emptied, folder)
        except OSError as error:
            raise of_the_system(error, f"cannot write to {folder}") from error
        try:
            best = material.pictures[:1]
            files = _file_names(command.containers, has_picture=bool(best))
            order = await self._order(command, folder, material, (*best, *material.sounds))
            cover = await self._cover(command, folder)
            texts = await asyncio.to_thread(_staged_texts, folder, captions)
            joined = await self._joiner.join(replace(_making(order, files, command, cover), texts=texts))
            for other in material.pictures[1:]:
                # What no file is made of is played all the same.
                await self._joiner.join(await self._order(command, folder, material, (other,)))
            return [await self._stored(command, folder, one) for one in joined]
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _order(
        self, command: AssembleOutput, folder: Path, material: Material, wanted: Sequence[Strand]
    ) -> JoinOrder:
        """Return the order to look at these strands, their fragments within reach."""
        parts = [await self._staged(folder, strand, material.pieces[strand.name]) for strand in wanted]
        return JoinOrder(folder=str(folder), parts=tuple(parts), files=(), verify=command.verify)

    async def _staged(self, folder: Path, strand: Strand, pieces: Sequence[Piece]) -> JoinPart:
        """Bring the fragments of `strand` within reach of a process that reads files.

        Files have the source's frames only: in them the last one lasts by itself.
        """
        pieces = [piece for piece in pieces if not piece.held]
        own = folder / strand.name
        await asyncio.to_thread(own.mkdir)
        init = own / "init.mp4"
        await asyncio.to_thread(init.write_bytes, await self._library.init(pieces[0].init_key))
        paths = await asyncio.gather(
            *(
                self._within_reach(piece.part.key, own / f"{index:06d}.m4s")
                for index, piece in enumerate(pieces)
            )
        )
        return JoinPart(
            kind=strand.kind,
            init=str(init),
            fragments=tuple(map(str, paths)),
            starts=tuple(piece.part.start for piece in pieces),
            ends=tuple(piece.part.end for piece in pieces),
            samples=tuple(piece.part.frames for piece in pieces),
            checksums=tuple(piece.part.checksum for piece in pieces),
            init_hashes=tuple(piece.init_hash for piece in pieces),
            language=strand.track.language if strand.track else None,
        )

    async def _cover(self, command: AssembleOutput, folder: Path) -> str | None:
        """Return a file with the source's own picture; a result without one is a result all the same."""
        if not command.cover_key:
            return None
        try:
            return str(await self._within_reach(command.cover_key, folder / "cover"))
        except TransientError:
            return None

    async def _within_reach(self, key: str, path: Path) -> Path:
        """Return a file of this machine with the object's content: the store's own, if it has files."""
        local = self._objects.local_path(key)
        if local is not None and await asyncio.to_thread(local.is_file):
            return local
        async with self._turns:
            try:
                await self._objects.fetch_to(key, path)
            except ObjectMissingError as error:
                raise TransientError(f"{key} is not there.", category=Category.DEPENDENCY) from error
        return path

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

    async def _hls(self, command: AssembleOutput, material: Material, captions: Sequence[Caption]) -> Output:
        base = keys.output_prefix(command.job, command.run)
        pieces = material.pieces
        target = target_duration(command.max_segment_s, pieces, final=True)
        for name, own in pieces.items():
            playlist = media_playlist(own, base=base, target=target, ended=True, vod=True)
            await self._objects.create(f"{base}{name}.m3u8", write_media_playlist(playlist).encode())
        await self._captioner.write_playlists(base, captions, material.shown_s)
        infos = await self._library.infos(pieces)
        codecs = {name: info.codec for name, info in infos.items()}
        master = multivariant(
            shown_recipe(command.recipe, codecs),
            present(command.tracks, codecs),
            pieces,
            codecs=codecs,
            final=True,
        )
        listed = representations(material.chosen, pieces, infos, recipe=command.recipe, base=base)
        await self._objects.create(keys.dash_manifest(base + MASTER), write_manifest(listed).encode())
        # Last of all: who finds it finds what lies beside it.
        await self._objects.create(base + MASTER, _text(master, captions))
        return _hls_output(base + MASTER, material)


def _text(master: MultivariantPlaylist, captions: Sequence[Caption]) -> bytes:
    return write_multivariant_playlist(captioned(master, captions)).encode()


def _staged_texts(folder: Path, captions: Sequence[Caption]) -> tuple[JoinText, ...]:
    """Write the cues where the process that joins reads them."""
    texts = []
    for caption in captions:
        path = folder / f"{caption.subtitle.name}.cues.json"
        path.write_bytes(encode_document(CueSheet(cues=caption.cues)))
        texts.append(
            JoinText(cues=str(path), language=caption.subtitle.language, shown=caption.subtitle.default)
        )
    return tuple(texts)


def _making(
    order: JoinOrder, files: tuple[JoinFile, ...], command: AssembleOutput, cover: str | None
) -> JoinOrder:
    return JoinOrder(
        folder=order.folder,
        parts=order.parts,
        files=files,
        title=command.title,
        tags=command.tags,
        chapters=command.chapters,
        cover=cover,
        verify=order.verify,
    )


def _hls_output(key: str, material: Material) -> Output:
    best = next(iter(material.pictures), None)
    shown = material.pieces[(best or material.chosen[0]).name]
    width, height = _size(best)
    return Output(
        kind="hls",
        key=key,
        size_bytes=_bytes_of(material.pieces),
        width=width,
        height=height,
        frames=sum(piece.part.frames for piece in shown if not piece.held) if best else None,
        duration_s=round(float(_longest_s(material.pieces)), 6),
    )


def _longest_s(pieces: Mapping[str, Sequence[Piece]]) -> Fraction:
    """Return how long the film lasts: as a file does, until the last of its tracks has ended."""
    return max(sum((piece.duration for piece in own), Fraction(0)) for own in pieces.values())


def _bytes_of(pieces: Mapping[str, Sequence[Piece]]) -> int:
    return sum(piece.part.size_bytes for own in pieces.values() for piece in own)


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


def _file_names(containers: Sequence[str], *, has_picture: bool) -> tuple[JoinFile, ...]:
    files = [container for container in containers if container != "hls"]
    if files and not has_picture:
        suffix = next((name for name in ("webm", "mp3", "opus") if name in files), "m4a")
        return (JoinFile(name=f"audio.{suffix}", kind="audio"),)
    return tuple(JoinFile(name=f"video.{container}", kind=container) for container in files)


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
