"""The composition root: settings and platform in, the download service out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cinelog_common.clock import Clock
from cinelog_common.objects.ports import ObjectStore
from cinelog_common.platform import Platform
from cinelog_common.worker import Worker
from loguru import logger

from cinelog_download.adapters.demuxer import ChildDemuxer, DemuxerPolicy
from cinelog_download.adapters.inspecting import Inspector
from cinelog_download.adapters.network import Network
from cinelog_download.adapters.scratch import Scratch
from cinelog_download.agents import SERVICE, routes, worker_spec
from cinelog_download.domain.addresses import AddressPolicy
from cinelog_download.domain.demuxing import Limits
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.handlers import FetchHandler, Tools
from cinelog_download.settings import Settings


class DownloadService:
    """Fetches sources as long as it runs."""

    name = SERVICE

    def __init__(self, settings: Settings, platform: Platform) -> None:
        self._settings = settings
        self._clock = platform.clock
        self._scratch = Scratch(platform.scratch / SERVICE)
        self._network = Network(fetch_policy(settings), platform.objects, platform.clock, {})
        self._demuxer = ChildDemuxer(demuxer_policy(settings))
        tools = Tools(
            resolver=self._network.resolver,
            fetcher=self._network.fetcher,
            demuxer=self._demuxer,
            texts=self._network.texts,
            objects=platform.objects,
            announcer=platform.announcer(SERVICE),
            clock=platform.clock,
            folder=self._scratch.folder,
            limits=limits(settings),
        )
        self._worker = Worker(worker_spec(settings.slots), routes(FetchHandler(tools)), platform)

    async def start(self) -> None:
        """Take work.

        Raises:
            TransientError: No broker answers, or a topic is missing.
        """
        await self._worker.start()
        await self._network.warm()
        removed = await self._scratch.sweep(before=self._clock.now() - self._settings.scratch_keep_s)
        if removed:
            logger.bind(action="scratch.swept").info("Removed the part files of {} old runs", removed)

    async def stop(self, deadline_s: float) -> None:
        """Take nothing more; what is not finished within the deadline keeps its part files."""
        await self._worker.stop(deadline_s)
        await self._demuxer.close()
        await self._network.close()

    def ready(self) -> bool:
        """Whether work is taken."""
        return self._worker.ready()


def build(settings: Settings, platform: Platform) -> DownloadService:
    """Return the service, not yet started."""
    return DownloadService(settings, platform)


def fetch_policy(settings: Settings) -> FetchPolicy:
    """Return how sources are resolved and fetched."""
    return FetchPolicy(
        addresses=AddressPolicy(allow_private=settings.allow_private_sources),
        chunk_bytes=settings.chunk_bytes,
        rate_bps=settings.limit_rate,
        sounds=settings.max_sounds,
        connect_timeout_s=settings.connect_timeout_s,
        answer_timeout_s=settings.answer_timeout_s,
        stall_window_s=settings.stall_window_s,
        max_source_bytes=settings.max_source_bytes,
        page_timeout_s=settings.page_timeout_s,
        local_cookies=settings.allow_local_cookies,
    )


def demuxer_policy(settings: Settings) -> DemuxerPolicy:
    """Return what demuxing children may use."""
    return DemuxerPolicy(
        slots=settings.slots,
        idle_s=settings.child_idle_s,
        address_space_bytes=settings.demuxer_memory_bytes,
    )


def limits(settings: Settings) -> Limits:
    """Return what a source may be at most."""
    return Limits(
        pixels=settings.max_pixels,
        duration_s=settings.max_duration_s,
        frames=settings.max_frames,
        streams=settings.max_streams,
        units=settings.max_units,
        sounds=settings.max_sounds,
    )


@asynccontextmanager
async def inspector(
    settings: Settings, objects: ObjectStore, clock: Clock, *, near: Path
) -> AsyncIterator[Inspector]:
    """Yield what looks at sources without bringing them in; `near` is a folder for what arrives meanwhile."""
    network = Network(fetch_policy(settings), objects, clock, {})
    demuxer = ChildDemuxer(demuxer_policy(settings))
    try:
        yield Inspector(network.resolver, network.fetcher, demuxer, near=near)
    finally:
        await demuxer.close()
        await network.close()
