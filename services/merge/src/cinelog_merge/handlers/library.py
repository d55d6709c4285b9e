"""What lies in the object store about a run, read once: sidecars and init segments never change."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import msgspec
from cinelog_common.cmaf.boxes import BoxError
from cinelog_common.cmaf.initinfo import InitInfo, init_info
from cinelog_common.contract.commands import Extent
from cinelog_common.contract.sidecars import Sidecar
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.objects.errors import ObjectMissingError
from cinelog_common.objects.ports import ObjectStore

from cinelog_merge.domain.presentation import Piece, Strand, pieces_of, sidecar_keys

REMEMBERED_SIDECARS = 20_000
PARALLEL_READS = 16


class Library:
    """Reads what the workers stored; what has been read is remembered."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._sidecars: OrderedDict[str, Sidecar] = OrderedDict()
        self._turns = asyncio.Semaphore(PARALLEL_READS)

    async def pieces(
        self, strands: Sequence[Strand], extent: Extent, *, job: str, run: int
    ) -> dict[str, list[Piece]]:
        """Return, by strand, its segments as far as `extent` reaches; strands without any are left out.

        Raises:
            TransientError: A sidecar is not there yet, or the store does not answer.
            PermanentError: A sidecar is broken.
        """
        found = {}
        for strand in strands:
            found[strand.name] = pieces_of(await self.sidecars(strand, extent, job=job, run=run))
        return {name: pieces for name, pieces in found.items() if pieces}

    async def sidecars(self, strand: Strand, extent: Extent, *, job: str, run: int) -> list[Sidecar]:
        """Return what describes the units of `strand` as far as `extent` reaches, in order.

        Raises:
            TransientError: As `pieces`.
            PermanentError: As `pieces`.
        """
        names = sidecar_keys(strand, extent, job, run)
        return list(await asyncio.gather(*(self._sidecar(name) for name in names)))

    async def init(self, key: str) -> bytes:
        """Return an init segment.

        Raises:
            TransientError: It is not there yet, or the store does not answer.
        """
        return await self._present(key)

    async def codecs(self, pieces: Mapping[str, Sequence[Piece]]) -> dict[str, str]:
        """Return the codec of every strand, as RFC 6381 spells it, read from its init segment.

        Raises:
            TransientError: As `init`.
            PermanentError: An init segment is broken.
        """
        return {name: info.codec for name, info in (await self.infos(pieces)).items()}

    async def infos(self, pieces: Mapping[str, Sequence[Piece]]) -> dict[str, InitInfo]:
        """Return what the init segment of every strand says.

        Raises:
            TransientError: As `init`.
            PermanentError: An init segment is broken.
        """
        found = {}
        for name, own in pieces.items():
            key = own[0].init_key
            try:
                found[name] = init_info(await self.init(key))
            except BoxError as error:
                raise PermanentError(f"{key} is broken: {error}.", category=Category.DAMAGED) from error
        return found

    async def _sidecar(self, key: str) -> Sidecar:
        known = self._sidecars.get(key)
        if known is not None:
            self._sidecars.move_to_end(key)
            return known
        async with self._turns:
            data = await self._present(key)
        try:
            sidecar = msgspec.json.decode(data, type=Sidecar)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PermanentError(f"{key} is broken: {error}.", category=Category.DAMAGED) from error
        self._sidecars[key] = sidecar
        if len(self._sidecars) > REMEMBERED_SIDECARS:
            self._sidecars.popitem(last=False)
        return sidecar

    async def _present(self, key: str) -> bytes:
        try:
            return await self._objects.get(key)
        except ObjectMissingError as error:
            # The event that brought us here was announced after the object: a store may still lag.
            raise TransientError(f"{key} is not there yet.", category=Category.DEPENDENCY) from error
