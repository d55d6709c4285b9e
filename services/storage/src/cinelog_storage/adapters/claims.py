"""Whose a name in a folder is: claims in the documents, one winner each; foreign files are never ours."""

import asyncio
import os
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from cinelog_common.collections import PUBLICATIONS
from cinelog_common.documents.ports import Document, DocumentStore
from cinelog_common.ids import name_id

from cinelog_storage.adapters.files import stamp_of
from cinelog_storage.domain.holdings import Holding, is_ours
from cinelog_storage.domain.names import numbered

_PLAYLIST_SUFFIXES = frozenset({".m3u8", ".mpd"})
_STRAND_SUFFIXES = frozenset({".m4s", ".mp4", ".part"})


class Claims:
    """One job's claims in one folder."""

    def __init__(self, documents: DocumentStore, folder: Path, job: str) -> None:
        self.folder = folder
        self._documents = documents
        self._job = job

    async def holding(self) -> Holding | None:
        """Return what this job holds here, if it was here before."""
        document = await self._documents.get(PUBLICATIONS.name, self._holding_id(self._job))
        return None if document is None else _holding(document)

    async def take(self, wanted: str, targets: Callable[[str], Iterable[str]]) -> Holding:
        """Claim the first name like `wanted` under which nothing of anybody else lies.

        Two jobs never get the same name, and the same job gets the same one again.
        """
        holding = await self.holding()
        if holding is not None and await self._free(holding, targets(holding.name)):
            return holding
        for number in count(1):
            name = numbered(wanted, number)
            mine = Holding(job=self._job, name=name, files=holding.files if holding else {})
            if await self._free(mine, targets(name)) and await self._claim(name):
                await self._store(mine)
                return mine
        raise AssertionError("numbers do not end")

    async def keep(self, change: Callable[[Holding], Holding]) -> None:
        """Change what this job holds here; of two changes at once both take effect."""
        id_ = self._holding_id(self._job)
        while (document := await self._documents.get(PUBLICATIONS.name, id_)) is not None:
            body = _body(change(_holding(document)))
            if await self._documents.update(PUBLICATIONS.name, id_, body, document.version):
                return

    async def _free(self, holding: Holding, targets: Iterable[str]) -> bool:
        paths = [self.folder / target for target in targets]
        return await asyncio.to_thread(lambda: all(fitting(holding, path) for path in paths))

    async def _claim(self, name: str) -> bool:
        id_ = name_id("place", _text(self.folder), name)
        mine = {"job": self._job, "at": 0}
        if await self._documents.insert(PUBLICATIONS.name, id_, mine):
            return True
        document = await self._documents.get(PUBLICATIONS.name, id_)
        if document is None or document.body.get("job") == self._job:
            return document is not None
        # Whoever removes a result gives its name back.
        if not await self._given_up(str(document.body.get("job")), name):
            return False
        return await self._documents.update(PUBLICATIONS.name, id_, mine, document.version)

    async def _given_up(self, job: str, name: str) -> bool:
        document = await self._documents.get(PUBLICATIONS.name, self._holding_id(job))
        if document is None:
            return False  # it is choosing its name right now
        other = _holding(document)
        if other.name != name:
            return True
        paths = [self.folder / file for file in other.files]
        return other.shown and not await asyncio.to_thread(lambda: any(path.exists() for path in paths))

    async def _store(self, holding: Holding) -> None:
        if not await self._documents.insert(PUBLICATIONS.name, self._holding_id(self._job), _body(holding)):
            await self.keep(lambda known: msgspec.structs.replace(known, name=holding.name, shown=False))

    def _holding_id(self, job: str) -> str:
        return name_id("holding", _text(self.folder), job)


def fitting(holding: Holding | None, path: Path) -> bool:
    """Whether `path` is free, or has what this job put there, as it was put there."""
    if path.is_symlink():
        return False
    if not path.exists():
        return True
    try:
        stamp = stamp_of(path)
    except OSError:
        return False
    if not is_ours(holding, path.name, stamp):
        return False
    return not path.is_dir() or not _has_strangers(path)


def _has_strangers(folder: Path) -> bool:
    """Whether a folder of playlists and segments holds anything else."""
    for here, _, names in os.walk(folder):
        wanted = _PLAYLIST_SUFFIXES if Path(here) == folder else _STRAND_SUFFIXES
        if any(Path(name).suffix not in wanted for name in names):
            return True
    return False


def _holding(document: Document) -> Holding:
    return msgspec.convert(document.body["holding"], Holding)


def _body(holding: Holding) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(holding))
    return {"job": holding.job, "at": 0, "holding": document}


def _text(folder: Path) -> str:
    """Return the folder's name as text, whatever bytes it is made of."""
    return os.fsencode(folder.resolve()).decode("utf-8", "backslashreplace")
