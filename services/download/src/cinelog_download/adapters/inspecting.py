"""Looks at a source without bringing it in: what a dry run shows."""

import tempfile
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import msgspec
from cinelog_common.contract.values import Source

from cinelog_download.domain.demuxing import DemuxOrder, Finished, Probed
from cinelog_download.domain.subtitling import left_out
from cinelog_download.ports import Demuxer, Fetch, Fetcher, Resolved, Resolver


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What a source is, as far as its beginning and its index tell."""

    resolved: Resolved
    probed: Probed
    units: int
    """Work units that are expected; 0 if nothing says how long the picture is."""
    duration_s: float
    sizes: tuple[int | None, ...]
    """Bytes of each input."""
    warnings: tuple[str, ...] = ()


class Inspector:
    """Resolves and probes. What arrives meanwhile lies in a folder below `near` that vanishes."""

    def __init__(self, resolver: Resolver, fetcher: Fetcher, demuxer: Demuxer, *, near: Path) -> None:
        self._resolver = resolver
        self._fetcher = fetcher
        self._demuxer = demuxer
        self._near = near

    async def inspect(self, source: Source, order: DemuxOrder) -> Inspection:
        """Return what `source` is; `order` says how it would be taken apart.

        Raises:
            TransientError: As for `Resolver.resolve`, `Fetcher.open` and `Demuxer.demux`.
            PermanentError: As for these.
        """
        resolved = await self._resolver.resolve(source)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._resolver.release, resolved)
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix=".cinelog-", dir=self._near))
            )
            fetches: list[Fetch] = []
            for number, wanted in enumerate(resolved.inputs):
                fetch = await self._fetcher.open(wanted, folder / f"{number}.part")
                stack.push_async_callback(fetch.close)
                fetches.append(fetch)
            return await self._look(resolved, order, fetches)

    async def _look(self, resolved: Resolved, order: DemuxOrder, fetches: list[Fetch]) -> Inspection:
        inputs = tuple(
            wanted.part(fetch.path, fetch.size)
            for wanted, fetch in zip(resolved.inputs, fetches, strict=True)
        )
        looking = msgspec.structs.replace(order, inputs=inputs, probe=True)
        probed, finished = None, None
        async with aclosing(self._demuxer.demux(looking, fetches)) as messages:
            async for message in messages:
                match message:
                    case Probed():
                        probed = message
                    case Finished():
                        finished = message
        assert probed is not None, "the demuxer ended without a word"
        assert finished is not None, "the demuxer ended without a last word"
        return Inspection(
            resolved=resolved,
            probed=probed,
            units=finished.units,
            duration_s=finished.duration_s or resolved.duration_s or 0.0,
            sizes=tuple(fetch.size for fetch in fetches),
            warnings=(
                *resolved.warnings,
                *finished.warnings,
                *left_out(resolved.lost_texts, order.subtitles if order.video != "none" else "none"),
            ),
        )
