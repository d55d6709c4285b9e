"""Finds out what a source is: asked directly first, since that answer may already be the download."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec
from cinelog_common.contract.values import Source
from cinelog_common.errors import Category, CinelogError, PermanentError
from cinelog_common.objects.ports import ObjectStore

from cinelog_download.adapters.http import HttpBody, HttpClient
from cinelog_download.adapters.local import inspect_file
from cinelog_download.adapters.pages import PageResolver
from cinelog_download.adapters.parking import Parking
from cinelog_download.adapters.playlists import DashManifests, HlsPlaylists
from cinelog_download.adapters.stored import inspect_object
from cinelog_download.domain.answers import Validator, Wanted, empty, title_from_name, title_of
from cinelog_download.domain.headers import HttpRequest
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.domain.locations import FileLocation, StoredLocation, WebLocation, locate
from cinelog_download.domain.sniffing import HEAD_BYTES, Kind, sniff
from cinelog_download.ports import Input, Resolved

_HEAD_TIMEOUT_S: Final = 30.0
# A site may turn away a plain request and yet be one that yt-dlp knows how to ask.
_ASK_FURTHER: Final = frozenset({Category.SOURCE_FORBIDDEN, Category.SOURCE_UNAVAILABLE})


class SourceResolver:
    """Finds the files behind a source; see `ports.Resolver`."""

    def __init__(
        self,
        client: HttpClient,
        parking: Parking,
        pages: PageResolver,
        *,
        objects: ObjectStore,
        policy: FetchPolicy,
    ) -> None:
        self._client = client
        self._parking = parking
        self._pages = pages
        self._objects = objects
        self._policy = policy

    async def resolve(self, source: Source) -> Resolved:
        """Return what is to be fetched; see `ports.Resolver`."""
        location = locate(source.url, self._policy.addresses)
        match location:
            case WebLocation():
                return await self._web(msgspec.structs.replace(source, url=source.url.strip()))
            case FileLocation(path=path):
                return await _file(Path(path))
            case StoredLocation(key=key):
                return await self._stored(key)

    async def release(self, resolved: Resolved) -> None:
        """Close what nobody went on with; see `ports.Resolver`."""
        for each in resolved.inputs:
            body = self._parking.take(each.opening) if each.opening else None
            if body is not None:
                await body.close()

    async def _web(self, source: Source) -> Resolved:
        first = Wanted(start=0, stop=self._policy.opening_bytes)
        known = await self._with_cookies(source)
        try:
            body = await self._client.get(HttpRequest(url=known.url, headers=known.headers, wanted=first))
        except CinelogError as error:
            if error.category not in _ASK_FURTHER:
                raise
            found = await self._pages.resolve(source, only_known=True)
            if found is None:
                raise
            return await self._proven(found)
        parked = False
        try:
            head = await body.head(HEAD_BYTES, _HEAD_TIMEOUT_S)
            kind = sniff(head, body.headers.get("Content-Type", ""))
            unfit = _no_file(body, kind)
            if unfit is not None:
                raise unfit
            if kind in {Kind.MEDIA, Kind.PERHAPS_MEDIA}:
                parked = True
                return self._direct(known, body)
        finally:
            if not parked:
                await body.close()
        if kind in {Kind.HLS, Kind.DASH}:
            return await self._playlist(known, body, kind)
        found = await self._pages.resolve(source)
        assert found is not None
        if any(each.url in {source.url, body.url} for each in found.inputs):
            # What yt-dlp does not know it takes for the video itself; but this we have seen to be text.
            raise PermanentError(
                "No video was found on the page.",
                category=Category.UNSUPPORTED_PAGE,
                action="Give the address of the video itself, or of a page that yt-dlp knows.",
            )
        return await self._proven(found)

    async def _with_cookies(self, source: Source) -> Source:
        """Return `source` with the cookies that it names in its headers: those for its own origin only."""
        cookies = await self._pages.cookies(source)
        if not cookies:
            return source
        return msgspec.structs.replace(source, headers={**source.headers, "Cookie": cookies})

    async def _playlist(self, source: Source, body: HttpBody, kind: Kind) -> Resolved:
        request = HttpRequest(url=source.url, headers=source.headers)
        lists = HlsPlaylists(self._client) if kind is Kind.HLS else DashManifests(self._client)
        inputs, duration_s = await lists.inputs(request, sounds=self._policy.sounds)
        return Resolved(
            title=title_of(body.url, body.headers),
            webpage_url=source.url,
            inputs=inputs,
            duration_s=duration_s or None,
            subtitles=lists.subtitles,
            lost_texts=lists.lost_texts if isinstance(lists, DashManifests) else (),
            extractor=kind.value,
        )

    async def _proven(self, found: Resolved) -> Resolved:
        """See that each playlist of a page is a finished recording without licences."""
        lists = HlsPlaylists(self._client)
        inputs = [await lists.looked_into(each) if each.protocol == "hls" else each for each in found.inputs]
        return msgspec.structs.replace(found, inputs=tuple(inputs))

    def _direct(self, source: Source, body: HttpBody) -> Resolved:
        return Resolved(
            title=title_of(body.url, body.headers),
            webpage_url=body.url,
            inputs=(
                Input(
                    url=source.url,
                    headers=source.headers,
                    size=body.total,
                    validator=body.validator,
                    opening=self._parking.park(body),
                ),
            ),
        )

    async def _stored(self, key: str) -> Resolved:
        info = await inspect_object(self._objects, key)
        version = Validator(etag=info.etag)
        if self._objects.local_path(key) is not None:
            version = Validator()
        return Resolved(
            title=title_from_name(key) or "video",
            webpage_url="",
            inputs=(Input(url=key, protocol="object", size=info.size_bytes, validator=version),),
        )


async def _file(path: Path) -> Resolved:
    size, validator = await asyncio.to_thread(inspect_file, path)
    return Resolved(
        title=title_from_name(path.name) or "video",
        webpage_url="",
        inputs=(Input(url=str(path.resolve()), protocol="file", size=size, validator=validator),),
    )


def _no_file(body: HttpBody, kind: Kind) -> CinelogError | None:
    """Return the error of an answer that is neither a file nor a page that may lead to one."""
    if kind is Kind.EMPTY:
        return empty()
    if kind is Kind.OTHER:
        return PermanentError(
            f"{body.host} sent a picture, a document or an archive, not a video.",
            category=Category.NOT_MEDIA,
            action="Give the address of a video, of a sound file, or of a page that shows one.",
        )
    if any(name.lower().startswith("icy-") for name in body.headers):
        return PermanentError(
            "The source is a live stream, which Cinelog does not record.",
            category=Category.UNSUPPORTED_SOURCE,
            action="Give the address of a recording.",
        )
    return None
