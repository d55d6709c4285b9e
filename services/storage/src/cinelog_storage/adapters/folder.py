"""A folder as a destination: files named after the title, each whole or not there at all.

Everything is first brought into a hidden folder beside its place, so that what
commits the run lies between two renames and never waits for a copy. A job
knows its own files by stamps in the documents; anything else is somebody
else's and is never written over.
"""

import asyncio
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from cinelog_common.contract import keys
from cinelog_common.contract.values import Output
from cinelog_common.documents.ports import DocumentStore
from cinelog_common.errors import Category, PermanentError
from cinelog_common.ids import name_id
from cinelog_common.objects.ports import ObjectStore
from loguru import logger
from msgspec.structs import replace

from cinelog_storage.adapters.claims import Claims, fitting
from cinelog_storage.adapters.files import moved_into_place, placed, stamp_of, translated, written
from cinelog_storage.domain.holdings import with_stamps
from cinelog_storage.domain.names import file_name, numbered
from cinelog_storage.domain.playlists import (
    addresses,
    flattened,
    is_plain,
    readdressed,
    renamed,
    uris,
)

COPIES_AT_A_TIME = 4
MASTER = "master.m3u8"
DASH = "dash"
"""Folder of what only the DASH manifest refers to."""


class FolderShelves:
    """Opens folders."""

    def __init__(self, objects: ObjectStore, documents: DocumentStore) -> None:
        self._objects = objects
        self._documents = documents

    def open(self, destination: str, *, job: str, run: int) -> "FolderShelf":
        """Return the shelf at `destination`; nothing is touched yet."""
        claims = Claims(self._documents, Path(destination).absolute(), job)
        return FolderShelf(self._objects, claims, stage=f".cinelog-{name_id('stage', job, run)}")


class FolderShelf:
    """One folder, for one run of one job."""

    def __init__(self, objects: ObjectStore, claims: Claims, *, stage: str) -> None:
        self._objects = objects
        self._claims = claims
        self._folder = claims.folder
        self._stage = self._folder / stage
        self._turns = asyncio.Semaphore(COPIES_AT_A_TIME)

    async def stage(self, outputs: Sequence[Output], *, title: str) -> tuple[Output, ...]:
        """Bring `outputs` within a rename of their places."""
        with translated(self._folder):
            await asyncio.to_thread(self._make_stage)
            try:
                holding = await self._claims.take(file_name(title), lambda name: _targets(outputs, name))
                names = _targets(outputs, holding.name)
                for output, name in zip(outputs, names, strict=True):
                    await self._bring(output, self._stage / name, holding.name)
                stamps = {name: await asyncio.to_thread(stamp_of, self._stage / name) for name in names}
                await self._claims.keep(lambda known: with_stamps(known, stamps))
            except BaseException:
                # A full disk must not stay full of what nobody will see.
                await asyncio.to_thread(shutil.rmtree, self._stage, ignore_errors=True)
                raise
        return tuple(
            replace(output, path=str(self._folder / _entry(output, name)))
            for output, name in zip(outputs, names, strict=True)
        )

    async def reveal(self, outputs: Sequence[Output]) -> tuple[Output, ...]:
        """Rename what was staged into its places; what is there already stays."""
        with translated(self._folder):
            shown = tuple([await self._reveal(output) for output in outputs])
            await asyncio.to_thread(shutil.rmtree, self._stage, ignore_errors=True)
            await self._claims.keep(lambda known: replace(known, shown=True))
        return shown

    async def discard(self) -> None:
        """Remove what was staged."""
        await asyncio.to_thread(shutil.rmtree, self._stage, ignore_errors=True)

    def _make_stage(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._stage, ignore_errors=True)
        self._stage.mkdir(exist_ok=True)

    async def _reveal(self, output: Output) -> Output:
        if output.path is None:
            return output
        inner = Path(output.path).relative_to(self._folder)
        staged = self._stage / inner.parts[0]
        if not staged.exists():
            # Another attempt was here before; or somebody has removed its work since.
            return output if Path(output.path).exists() else replace(output, path=None)
        holding = await self._claims.holding()
        stem = Path(inner.parts[0])
        count = 1
        while True:
            name = stem.name if count == 1 else f"{numbered(stem.stem, count)}{stem.suffix}"
            target = self._folder / name
            ours = await asyncio.to_thread(fitting, holding, target)
            if ours and await asyncio.to_thread(moved_into_place, staged, target):
                return replace(output, path=str(self._folder.joinpath(name, *inner.parts[1:])))
            # Put there since the name was chosen: the manifest holds, and the event tells the true path.
            logger.bind(action="shelf.occupied").warning("{} is somebody else's", target)
            count += 1

    async def _bring(self, output: Output, path: Path, name: str) -> None:
        # Whole under its name even here: an attempt that was thought dead may be about to reveal it.
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        if output.kind == "hls":
            await self._bring_playlists(output.key, part)
        elif output.kind == "thumbnails":
            text = (await self._objects.get(output.key)).decode()
            await asyncio.to_thread(written, part, text.replace("sprite.jpg#", f"{quote(name)}.sprite.jpg#"))
        else:
            await self._bring_file(output.key, part)
        await asyncio.to_thread(part.rename, path)

    async def _bring_file(self, key: str, path: Path) -> None:
        async with self._turns:
            source = self._objects.local_path(key)
            if source is None or not await asyncio.to_thread(source.exists):
                await self._objects.fetch_to(key, path)
            else:
                await asyncio.to_thread(placed, source, path)

    async def _bring_playlists(self, key: str, folder: Path) -> None:
        """Put a multivariant playlist with everything it refers to into a folder of its own."""
        await asyncio.to_thread(folder.mkdir)
        base = key.rpartition("/")[0]
        master = (await self._objects.get(key)).decode()
        names: dict[str, str] = {}
        for uri in uris(master):
            if not is_plain(uri):
                raise PermanentError(f"{key} refers to {uri[:80]!r}.", category=Category.INTERNAL)
            names |= await self._bring_playlist(f"{base}/{uri}", folder / uri)
        await self._bring_manifest(keys.dash_manifest(key), folder, names)
        await asyncio.to_thread(written, folder / MASTER, master)

    async def _bring_playlist(self, key: str, path: Path) -> dict[str, str]:
        """Put a media playlist and its segments below a folder of the strand's name; return their places."""
        text = (await self._objects.get(key)).decode()
        names = flattened(uris(text), path.stem)
        await self._bring_segments(key, names, path.parent, path.stem)
        await asyncio.to_thread(written, path, renamed(text, names))
        return names

    async def _bring_manifest(self, key: str, folder: Path, names: dict[str, str]) -> None:
        """Put the DASH manifest there, if there is one; most of its segments are in their places already."""
        if await self._objects.head(key) is None:
            return
        text = (await self._objects.get(key)).decode()
        more = flattened([uri for uri in addresses(text) if uri not in names], DASH)
        if more:
            await self._bring_segments(key, more, folder, DASH)
        manifest = folder / key.rpartition("/")[2]
        await asyncio.to_thread(written, manifest, readdressed(text, names | more))

    async def _bring_segments(self, key: str, names: dict[str, str], folder: Path, strand: str) -> None:
        await asyncio.to_thread((folder / strand).mkdir)
        async with asyncio.TaskGroup() as group:
            for uri, name in names.items():
                group.create_task(self._bring_file(_joined(key, uri), folder / name))


def _targets(outputs: Sequence[Output], name: str) -> list[str]:
    targets: list[str] = []
    for output in outputs:
        target = _target(output, name)
        # Two of a kind keep the names they have in the store.
        targets.append(target if target not in targets else f"{name}.{output.key.rpartition('/')[2]}")
    return targets


def _target(output: Output, name: str) -> str:
    suffix = output.key.rpartition(".")[2]
    match output.kind:
        case "hls":
            return name
        case "sprite" | "thumbnails":
            return f"{name}.sprite.{suffix}"
        case "subtitles":
            return f"{name}.{output.language or 'und'}.{suffix}"
        case _:
            return f"{name}.{suffix}"


def _entry(output: Output, target: str) -> str:
    return f"{target}/{MASTER}" if output.kind == "hls" else target


def _joined(key: str, uri: str) -> str:
    """Return the key of `uri` as seen from `key`; the store refuses what leads out of it."""
    parts = key.split("/")[:-1]
    for part in uri.split("/"):
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
