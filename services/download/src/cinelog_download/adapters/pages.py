"""Pages, by yt-dlp in a killable child process behind the filtering proxy."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from cinelog_common.children import Child, ChildDiedError, ChildLimits
from cinelog_common.contract.values import Source
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError
from cinelog_common.languages import three_letters

from cinelog_download.adapters.proxy import FilteringProxy, ProxySession
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.domain.pages import PageAnswer, PageFailure, PageFormat, PageRequest
from cinelog_download.domain.pieces import Piece, Recording
from cinelog_download.ports import Input, Resolved, Subtitle

_CHILD: Final = "cinelog_download.children.resolver"
_OPEN_FILES: Final = 256
_PROTOCOLS: Final = {
    "http": "http",
    "https": "http",
    "m3u8_native": "hls",
    "m3u8": "hls",
    "http_dash_segments": "pieces",
    "http_fragments": "pieces",
}
"""What of yt-dlp's protocols can be fetched, and how."""


class PageResolver:
    """Finds the files that a page shows."""

    def __init__(self, policy: FetchPolicy, proxy: FilteringProxy, env: Mapping[str, str]) -> None:
        """`env` is added to the child's environment."""
        self._policy = policy
        self._proxy = proxy
        self._env = env

    async def resolve(self, source: Source, *, only_known: bool = False) -> Resolved | None:
        """Return what the page leads to; None if `only_known` and yt-dlp does not know the site.

        Raises:
            TransientError: As for `ports.Resolver.resolve`.
            PermanentError: As for `ports.Resolver.resolve`.
        """
        async with self._proxy.session() as session:
            request = PageRequest(
                url=source.url,
                proxy=session.url,
                headers=source.headers,
                format=source.format,
                only_known=only_known,
                cookies_file=source.cookies_file,
                cookies_from_browser=source.cookies_from_browser,
            )
            answer = await self._ask(request)
        if answer.failure is not None:
            raise _blame(answer.failure, session)
        if not answer.known:
            return None
        try:
            return _resolved(source, answer)
        except PermanentError:
            if session.refusals:
                raise session.refusals[-1] from None
            raise

    async def cookies(self, source: Source) -> str:
        """Return the `Cookie` header for the source's own address, from where the source says they are.

        Raises:
            PermanentError: INVALID_REQUEST: there are none to be read, or they may not be used here.
        """
        if source.cookies_file is None and source.cookies_from_browser is None:
            return ""
        if not self._policy.local_cookies:
            raise PermanentError(
                "Cookies of this machine are not for use by jobs.",
                category=Category.SOURCE_REFUSED,
                action="Leave them out, or use `cinelog run`.",
            )
        answer = await self._ask(
            PageRequest(
                url=source.url,
                proxy="",
                cookies_file=source.cookies_file,
                cookies_from_browser=source.cookies_from_browser,
                only_cookies=True,
            )
        )
        if answer.failure is not None:
            raise PermanentError(
                answer.failure.message,
                category=Category(answer.failure.category),
                action=answer.failure.action,
            )
        return answer.cookies

    async def _ask(self, request: PageRequest) -> PageAnswer:
        limits = ChildLimits(cpu_s=int(self._policy.page_timeout_s) + 1, open_files=_OPEN_FILES)
        child = await Child.start(_CHILD, env=self._env, limits=limits)
        try:
            async with asyncio.timeout(self._policy.page_timeout_s):
                await child.send(msgspec.json.encode(request))
                return msgspec.json.decode(await child.receive(), type=PageAnswer)
        except TimeoutError as error:
            raise _given_up("it took too long") from error
        except (ChildDiedError, msgspec.DecodeError) as error:
            raise PermanentError(
                "The page could not be read: it broke what reads it.",
                category=Category.UNSUPPORTED_PAGE,
                action="Give the address of the video itself.",
            ) from error
        finally:
            await child.kill()


def _blame(failure: PageFailure, session: ProxySession) -> CinelogError:
    """Return the error to raise: what the proxy refused explains better what yt-dlp could not do."""
    if session.refusals:
        return session.refusals[-1]
    if session.exhausted:
        return PermanentError(
            "The page sends more than a page should.",
            category=Category.UNSUPPORTED_PAGE,
            action="Give the address of the video itself.",
        )
    known = failure.category in set(Category)
    category = Category(failure.category) if known else Category.UNSUPPORTED_PAGE
    kind = TransientError if failure.transient else PermanentError
    return kind(failure.message, category=category, action=failure.action)


def _resolved(source: Source, answer: PageAnswer) -> Resolved:
    return Resolved(
        title=answer.title or "video",
        webpage_url=answer.webpage_url or source.url,
        inputs=_inputs(answer.formats),
        duration_s=answer.duration_s,
        offers=answer.offers,
        subtitles=tuple(
            Subtitle(url=each.url, language=each.language, format=each.format, headers=each.headers)
            for each in answer.subtitles
        ),
        chapters=answer.chapters,
        tags=answer.tags,
        extractor=answer.extractor,
        warnings=answer.warnings,
    )


def _inputs(formats: Sequence[PageFormat]) -> tuple[Input, ...]:
    inputs = [_input(each) for each in formats]
    if any(each.kind == "audio" for each in inputs):
        # yt-dlp's best picture may have a sound of its own: the one that was fetched beside it is better.
        inputs = [
            msgspec.structs.replace(each, kind="video") if each.kind == "both" else each for each in inputs
        ]
    return tuple(inputs)


def _input(found: PageFormat) -> Input:
    protocol = _PROTOCOLS.get(found.protocol)
    if protocol is None or (protocol == "pieces" and not found.fragments):
        raise PermanentError(
            f"The video comes only in fragments ({found.protocol[:30]}), which Cinelog cannot fetch yet.",
            category=Category.UNSUPPORTED_SOURCE,
            action="Choose another format, or a source that is one file.",
        )
    return Input(
        url=found.url,
        protocol=protocol,
        kind=found.kind,
        headers=found.headers,
        cookies=found.cookies,
        size=found.size,
        format_id=found.format_id,
        chunk_bytes=found.chunk_bytes,
        language=three_letters(found.language),
        recording=_recording(found) if protocol == "pieces" else None,
        mirrored=True,
    )


def _recording(found: PageFormat) -> Recording:
    pieces = tuple(
        Piece(url=each.url, duration_s=each.duration_s, begins=None if at else 0)
        for at, each in enumerate(found.fragments)
    )
    return Recording(pieces=pieces, duration_s=sum(each.duration_s for each in pieces))


def _given_up(why: str) -> TransientError:
    return TransientError(
        f"The page could not be read: {why}.",
        category=Category.SOURCE_UNAVAILABLE,
        action="Try again later, or give the address of the video itself.",
    )
