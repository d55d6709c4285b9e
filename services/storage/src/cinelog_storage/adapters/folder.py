"""A folder as a destination: files named after the title, each whole or not there at all."""

import asyncio
import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from cinelog_common.collections import PUBLICATIONS
from cinelog_common.contract.values import Output
from cinelog_common.documents.ports import DocumentStore
from cinelog_common.errors import Category, PermanentError
from cinelog_common.objects.ports import ObjectStore
from msgspec.structs import replace

from cinelog_storage.domain.names import file_name, numbered

_URI = re.compile(r'^(?!#)(.+)$|URI="([^"]+)"', re.MULTILINE)


class FolderShelves:
    """Opens folders."""

    def __init__(self, objects: ObjectStore, documents: DocumentStore) -> None:
        self._objects = objects
        self._documents = documents

    def open(self, destination: str) -> "FolderShelf":
        """Return the shelf at `destination`; the folder is made if it is missing."""
        folder = Path(destination)
        with _translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return FolderShelf(folder, self._objects, self._documents)


class FolderShelf:
    """One folder."""

    def __init__(self, folder: Path, objects: ObjectStore, documents: DocumentStore) -> None:
        self._folder = folder
        self._objects = objects
        self._documents = documents

    async def place(self, output: Output, *, title: str, job: str) -> Output:
        """Put one output into the folder and return it with its path."""
        name = await self._name(title, job)
        with _translated(self._folder):
            if output.kind == "hls":
                path = await self._place_playlists(output, self._folder / name)
            elif output.kind == "thumbnails":
                path = await self._place_cues(output, name)
            else:
                path = self._folder / _path_of(output, name)
                await self._place_file(output.key, path)
        return replace(output, path=str(path))

    async def remove(self, outputs: tuple[Output, ...]) -> None:
        """Take back what was placed."""
        for output in outputs:
            if output.path is None:
                continue
            path = Path(output.path)
            if output.kind == "hls":
                await asyncio.to_thread(shutil.rmtree, path.parent, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    async def _name(self, title: str, job: str) -> str:
        """Return the title's first name that no other job has taken here."""
        wanted = file_name(title)
        count = 1
        while True:
            name = numbered(wanted, count)
            place = str(self._folder / name)
            if await self._documents.insert(PUBLICATIONS.name, place, {"job": job, "at": 0}):
                if not any(self._folder.glob(f"{_escaped(name)}.*")) and not (self._folder / name).exists():
                    return name
                # Somebody else's files: never write over what is not ours.
                await self._documents.put(PUBLICATIONS.name, place, {"job": "", "at": 0}, (1, 0))
            else:
                known = await self._documents.get(PUBLICATIONS.name, place)
                if known is not None and known.body.get("job") == job:
                    return name
            count += 1

    async def _place_file(self, key: str, path: Path) -> None:
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            source = self._objects.local_path(key)
            if source is None:
                await self._objects.fetch_to(key, part)
            else:
                await asyncio.to_thread(_link_or_copy, source, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    async def _place_cues(self, output: Output, name: str) -> Path:
        """Put the sprite sheet's cues beside it, under the name it has here."""
        path = self._folder / f"{name}.sprite.vtt"
        text = (await self._objects.get(output.key)).decode()
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        part.write_text(text.replace("sprite.jpg#", f"{name}.sprite.jpg#"))
        part.replace(path)
        return path

    async def _place_playlists(self, output: Output, folder: Path) -> Path:
        """Put a multivariant playlist with everything it refers to into a folder of its own."""
        part = folder.with_name(f".{uuid.uuid4().hex}.part")
        try:
            part.mkdir()
            base = output.key.rpartition("/")[0]
            master = (await self._objects.get(output.key)).decode()
            (part / "master.m3u8").write_text(master)
            for uri in dict.fromkeys(_uris(master)):
                await self._place_playlist(f"{base}/{uri}", part / uri, base)
            if folder.exists():
                await asyncio.to_thread(shutil.rmtree, folder)
            part.rename(folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
        return folder / "master.m3u8"

    async def _place_playlist(self, key: str, path: Path, base: str) -> None:
        """Put a media playlist and its segments below a folder of the strand's name."""
        text = (await self._objects.get(key)).decode()
        strand = path.stem
        (path.parent / strand).mkdir(exist_ok=True)
        names = {uri: f"{strand}/{uri.rpartition('/')[2]}" for uri in _uris(text)}
        for uri, name in names.items():
            await self._place_file(os.path.normpath(f"{base}/{uri}"), path.parent / name)
        path.write_text(_URI.sub(lambda match: _renamed(match, names), text))


def _path_of(output: Output, name: str) -> str:
    suffix = output.key.rpartition(".")[2]
    return f"{name}.sprite.{suffix}" if output.kind == "sprite" else f"{name}.{suffix}"


def _uris(playlist: str) -> list[str]:
    return [match[1] or match[2] for match in _URI.finditer(playlist)]


def _renamed(match: re.Match[str], names: dict[str, str]) -> str:
    uri = match[1] or match[2]
    return match[0].replace(uri, names.get(uri, uri))


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _link_or_copy(source: Path, target: Path) -> None:
    """Hard-link where the file system allows it: a film is not copied to be in two places."""
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOTSUP}:
            raise
        shutil.copyfile(source, target)


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise PermanentError(
                f"There is no space left in {folder}.",
                category=Category.NO_SPACE,
                action="Free some space, then run it again.",
            ) from error
        raise PermanentError(
            f"{folder} cannot be written: {error.strerror or error}.",
            category=Category.NOT_WRITABLE,
            action="Choose another folder, or change its permissions.",
        ) from error
