"""Units in the object store.

What a child made is created only if it is absent, so that the first writer wins.

Another worker may encode the same unit at the same time. Whatever it was faster with stays, and
everything that refers to it describes the object that won: parts first, then the sidecar of each
rendition, and the unit's sidecar last, whose presence means that the unit is done.
"""

import asyncio
from pathlib import Path

import msgspec
from cinelog_common.cmaf.fragments import read_fragment
from cinelog_common.contract import keys
from cinelog_common.contract.commands import EncodeSegment
from cinelog_common.contract.sidecars import (
    SegmentPart,
    Sidecar,
    T,
    UnitSidecar,
    decode_document,
    encode_document,
)
from cinelog_common.errors import Category, PermanentError
from cinelog_common.objects.errors import ObjectMissingError
from cinelog_common.objects.ports import Exists, ObjectStore
from cinelog_fastio import checksum

from cinelog_transcode.domain.places import UnitPlace
from cinelog_transcode.domain.sidecars import encoded_rendition, same_span
from cinelog_transcode.domain.tasks import PartReport, RenditionReport, UnitReport


class StoredDamageError(PermanentError):
    """What another worker stored under our key is not what it should be."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(
            f"The stored object {key} is damaged: {reason}.",
            category=Category.DAMAGED,
            action="The unit is made again under another generation.",
        )


class MissingBundleError(PermanentError):
    """The unit's packets are not in the store."""

    def __init__(self, n: int) -> None:
        super().__init__(
            f"The stored packets of unit {n} are gone.",
            category=Category.DAMAGED,
            action="They are fetched again; if that fails, retry the job.",
        )


class ObjectUnitStore:
    """Units in the object store."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def find(self, command: EncodeSegment) -> UnitSidecar | None:
        """Return the unit if it is encoded already.

        Raises:
            StoredDamageError: Something else lies in its place.
        """
        key = _unit_key(command)
        try:
            data = await self._objects.get(key)
        except ObjectMissingError:
            return None
        return _decoded(UnitSidecar, key, data)

    async def bundle(self, place: UnitPlace, folder: Path) -> Path:
        """Return a file with the unit's packets: the store's own, or a copy in `folder`.

        Raises:
            MissingBundleError: They are gone.
        """
        key = keys.bundle(place.job, place.run, place.n, place.generation)
        local = self._objects.local_path(key)
        if local is not None and local.exists():
            return local
        path = folder / f"{place.n}.pkts"
        try:
            await self._objects.fetch_to(key, path)
        except ObjectMissingError as error:
            raise MissingBundleError(place.n) from error
        return path

    async def store(self, command: EncodeSegment, report: UnitReport, folder: Path) -> UnitSidecar:
        """Store everything in `folder`, and return the unit as it is stored now.

        Raises:
            StoredDamageError: Another worker's object of the same key is broken.
        """
        objects = self._objects
        sidecars = [
            await _store_rendition(objects, command, made, folder, held=report.held)
            for made in report.renditions
        ]
        recipe = command.recipe.hash
        thumbnails = None
        if report.thumbnails is not None:
            thumbnails = keys.thumbnails(
                command.job, command.run, recipe=recipe, n=command.n, generation=command.generation
            )
            await objects.link_from(thumbnails, folder / report.thumbnails)
        unit = UnitSidecar(
            n=command.n,
            generation=command.generation,
            recipe=recipe,
            frames=report.frames,
            start=report.start,
            end=report.end,
            renditions=tuple(
                encoded_rendition(made.name, sidecar)
                for made, sidecar in zip(report.renditions, sidecars, strict=True)
            ),
            parts=len(sidecars[0].parts),
            thumbnails=thumbnails,
            warnings=report.warnings,
            encode_s=report.encode_s,
        )
        return await _create_document(objects, _unit_key(command), unit)


def _unit_key(command: EncodeSegment) -> str:
    prefix = keys.encoded_prefix(command.job, command.run, command.recipe.hash, "unit")
    return keys.sidecar(prefix, command.n, command.generation)


async def _store_rendition(
    objects: ObjectStore, command: EncodeSegment, made: RenditionReport, folder: Path, *, held: bool
) -> Sidecar:
    recipe = command.recipe.hash
    prefix = keys.encoded_prefix(command.job, command.run, recipe, made.name)
    init_key = keys.init(command.job, command.run, recipe=recipe, name=made.name, init_hash=made.init_hash)
    await objects.create(init_key, made.init)
    parts = []
    for number, part in enumerate(made.parts):
        key = keys.segment(prefix, command.n, number, command.generation)
        outcome = await objects.link_from(key, folder / part.file)
        lost = isinstance(outcome, Exists)
        parts.append(await _winner(objects, key, part) if lost else _ours(key, part))
    sidecar = Sidecar(
        n=command.n,
        generation=command.generation,
        init_hash=made.init_hash,
        init_key=init_key,
        timescale=command.recipe.timescale,
        parts=tuple(parts),
        quality=made.quality,
        held=held,
    )
    key = keys.sidecar(prefix, command.n, command.generation)
    stored = await _create_document(objects, key, sidecar)
    if stored.init_hash != made.init_hash:
        raise StoredDamageError(key, "it was made with another encoder under the same recipe")
    if not same_span(stored.parts, made.parts[0].start, made.parts[-1].end):
        raise StoredDamageError(key, "its parts do not cover the unit")
    return stored


def _ours(key: str, part: PartReport) -> SegmentPart:
    return SegmentPart(
        key=key,
        start=part.start,
        end=part.end,
        frames=part.frames,
        size_bytes=part.size_bytes,
        checksum=part.checksum,
    )


async def _winner(objects: ObjectStore, key: str, part: PartReport) -> SegmentPart:
    data = await objects.get(key)
    try:
        fragment = await asyncio.to_thread(read_fragment, data)
    except PermanentError as error:
        raise StoredDamageError(key, error.message) from error
    if (fragment.base_time, fragment.duration, len(fragment.samples)) != (
        part.start,
        part.end - part.start,
        part.frames,
    ):
        raise StoredDamageError(key, "it holds other frames than this part should")
    return SegmentPart(
        key=key,
        start=part.start,
        end=part.end,
        frames=part.frames,
        size_bytes=len(data),
        checksum=checksum(data),
    )


async def _create_document(objects: ObjectStore, key: str, document: T) -> T:
    outcome = await objects.create(key, encode_document(document))
    if not isinstance(outcome, Exists):
        return document
    return _decoded(type(document), key, await objects.get(key))


def _decoded(kind: type[T], key: str, data: bytes) -> T:
    try:
        return decode_document(kind, data)
    except msgspec.DecodeError as error:
        raise StoredDamageError(key, str(error)) from error
