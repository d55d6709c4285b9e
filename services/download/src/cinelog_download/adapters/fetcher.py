"""Opens a fetch for every kind of input: new, or where an earlier attempt left off."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from cinelog_common.clock import Clock
from cinelog_common.errors import Category, CinelogError, PermanentError
from cinelog_common.objects.ports import ObjectStore
from loguru import logger

from cinelog_download.adapters.fetching import PartFetch
from cinelog_download.adapters.http import HttpClient
from cinelog_download.adapters.local import LocalFetch
from cinelog_download.adapters.parking import Parking
from cinelog_download.adapters.parts import PartFile, Version, remove_part
from cinelog_download.adapters.patience import too_large
from cinelog_download.adapters.playlists import HlsPlaylists
from cinelog_download.adapters.segments import SegmentSource
from cinelog_download.adapters.stored import ObjectSource
from cinelog_download.adapters.web import HttpSource
from cinelog_download.domain.answers import Wanted, changed, empty
from cinelog_download.domain.headers import HttpRequest
from cinelog_download.domain.intervals import Interval, IntervalSet
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.domain.throttling import Throttle
from cinelog_download.ports import Body, Fetch, Input, RangeSource

Opened = TypeVar("Opened", bound=PartFile | None)


class SourceFetcher:
    """Brings inputs onto the scratch volume; see `ports.Fetcher`."""

    def __init__(
        self, client: HttpClient, parking: Parking, objects: ObjectStore, *, policy: FetchPolicy, clock: Clock
    ) -> None:
        self._client = client
        self._parking = parking
        self._objects = objects
        self._policy = policy
        self._clock = clock
        self._throttle = None if policy.rate_bps is None else Throttle(policy.rate_bps)

    async def open(self, wanted: Input, part: Path) -> Fetch:
        """Begin, or go on, to fetch `wanted` into `part`; see `ports.Fetcher`."""
        if wanted.protocol == "file":
            return await LocalFetch.open(Path(wanted.url), wanted.validator)
        if wanted.protocol == "object":
            return await self._open_object(wanted, part)
        if wanted.protocol in {"hls", "pieces"}:
            return await self._open_segments(wanted, part)
        request = HttpRequest(url=wanted.url, headers=wanted.headers, cookies=wanted.cookies)
        source = HttpSource(self._client, request)
        body = self._parking.take(wanted.opening) if wanted.opening else None
        if body is not None:
            source.starts_at(body.url)
        return await self._open_part(source, wanted, part, body)

    async def _open_object(self, wanted: Input, part: Path) -> Fetch:
        path = self._objects.local_path(wanted.url)
        if path is not None:
            return await LocalFetch.open(path)
        return await self._open_part(ObjectSource(self._objects, wanted.url), wanted, part, None)

    async def _open_segments(self, wanted: Input, part: Path) -> Fetch:
        found = wanted.recording or await HlsPlaylists(self._client).recording(wanted)
        request = HttpRequest(url=wanted.url, headers=wanted.headers, cookies=wanted.cookies)
        return await self._open_part(SegmentSource(self._client, request, found, part), wanted, part, None)

    async def _open_part(self, source: RangeSource, wanted: Input, part: Path, body: Body | None) -> Fetch:
        try:
            return await self._resume_part(source, wanted, part, body)
        except PermanentError as error:
            if not wanted.mirrored or error.category is not Category.SOURCE_CHANGED:
                raise
            # Another mirror's version may well hold other bytes: none of those that are there fit.
            logger.bind(action="fetch.restarted", part=part.name).info("{} Fetching it anew.", error.message)
            await asyncio.to_thread(remove_part, part)
            return await self._resume_part(source, wanted, part, None)

    async def _resume_part(self, source: RangeSource, wanted: Input, part: Path, body: Body | None) -> Fetch:
        file: PartFile | None = None
        conditional = True
        try:
            file = await _opened(partial(PartFile.resume, part), awaited=False)
            if isinstance(source, SegmentSource):
                await asyncio.to_thread(source.skip, IntervalSet() if file is None else file.done)
            if file is None:
                body = body or await source.get(self._first(wanted, 0))
                file = await _opened(partial(self._create, part, wanted, body), awaited=True)
            else:
                body, conditional = await self._next(source, wanted, file, body)
        except BaseException:
            # Nobody else knows of them yet.
            if body is not None:
                await body.close()
            if file is not None:
                await file.close()
            raise
        throttle = self._throttle
        fetch = PartFetch(source, file, policy=self._policy, clock=self._clock, throttle=throttle)
        ranged = body is None or body.ranged
        fetch.start(body, ranged=ranged, request_bytes=wanted.chunk_bytes, conditional=conditional)
        return fetch

    def _first(self, wanted: Input, start: int) -> Wanted:
        length = min(self._policy.opening_bytes, wanted.chunk_bytes or self._policy.opening_bytes)
        return Wanted(start=start, stop=start + length, validator=wanted.validator)

    def _create(self, part: Path, wanted: Input, body: Body) -> PartFile:
        error = self._unfit(wanted, body)
        if error is not None:
            raise error
        version = Version(size=body.total, validator=body.validator)
        return PartFile.create(part, version, reserve_bytes=self._policy.reserve_bytes)

    def _unfit(self, wanted: Input, body: Body) -> CinelogError | None:
        if body.validator.contradicts(wanted.validator):
            return changed("it names another version")
        if body.total == 0:
            return empty()
        if body.total is not None and body.total > self._policy.max_source_bytes:
            return too_large(self._policy.max_source_bytes)
        return None

    async def _next(
        self, source: RangeSource, wanted: Input, file: PartFile, body: Body | None
    ) -> tuple[Body | None, bool]:
        """Return the answer to go on with, or None if there is nothing to ask for; see also `_ask`.

        An answer that is open already is of use only if it brings something new.
        """
        conditional = True
        size, validator = file.version.size, file.version.validator
        if validator.contradicts(wanted.validator):
            await _close(body)
            raise changed("it names another version")
        gap = file.done.first_gap(0, size) if size is not None else (0, 0)
        if gap is None:
            await _close(body)
            return None, conditional
        if (
            body is not None
            and size is not None
            and body.ranged
            and file.done.covers(body.start, body.stop or size)
        ):
            await _close(body)
            body = None
        if body is None:
            body, conditional = await self._ask(source, wanted, file.version, gap)
        if body.validator.contradicts(validator) or (size is not None and body.total not in {None, size}):
            await _close(body)
            raise changed("its size or its version is another one")
        return body, conditional

    async def _ask(
        self, source: RangeSource, wanted: Input, version: Version, gap: Interval
    ) -> tuple[Body, bool]:
        """Ask for what is missing in `gap`; tell also whether the source takes a condition."""
        start, end = gap
        most = min(self._policy.request_bytes, wanted.chunk_bytes or self._policy.request_bytes)
        # Where the size is unknown, only the whole tells where it ends.
        stop = None if version.size is None else min(start + most, end)
        body = await source.get(Wanted(start=start, stop=stop, validator=version.validator))
        conditional = version.validator.if_range is not None
        if body.ranged or start == 0 or not conditional or not body.validator.names(version.validator):
            # The whole may be another version that does not say so: it is held against what is there.
            return body, True
        # Some servers never take a condition, and answer with the whole of the version that is meant: all
        # that is there would come again.
        await body.close()
        return await source.get(Wanted(start=start, stop=stop)), False


async def _opened(open_part: Callable[[], Opened], *, awaited: bool) -> Opened:
    """Open a part file in a thread, which nothing stops: after a cancellation it is closed once it is open.

    `awaited` says that nobody may touch the part file before.
    """
    opening = asyncio.get_running_loop().run_in_executor(None, open_part)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_abandon)
        if awaited:
            await asyncio.wait({opening})
        raise


def _abandon(opening: "asyncio.Future[Opened]") -> None:
    if not opening.cancelled() and opening.exception() is None and (file := opening.result()) is not None:
        file.abandon()


async def _close(body: Body | None) -> None:
    if body is not None:
        await body.close()
