"""What the download service needs from outside, in its own words.

Every call may raise `TransientError` (the same may succeed later) or
`PermanentError` (it never will); the categories are those of `cinelog_common.errors`.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from cinelog_common.contract.events import Event
from cinelog_common.contract.status import Progress
from cinelog_common.contract.values import Chapter, Source

from cinelog_download.domain.answers import Validator, Wanted
from cinelog_download.domain.dashtexts import LostText, Stretch
from cinelog_download.domain.demuxing import DemuxOrder, InputFile, Message
from cinelog_download.domain.pages import Offer
from cinelog_download.domain.pieces import Recording
from cinelog_download.domain.splices import Splice


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a source: best video and best sound may be two."""

    url: str
    """What `protocol` says: an http(s) URL, a path, or an object key."""
    protocol: str = "http"
    """`http`, `file`, `object`, `hls` (a playlist) or `pieces` (those of `recording`)."""
    kind: str = "both"
    """`video`, `audio` or `both`."""
    headers: dict[str, str] = {}
    cookies: str = ""
    """A `Cookie` header for the URL's own host; it is never sent to another one."""
    size: int | None = None
    validator: Validator = Validator()
    format_id: str = ""
    """The resolver's name of this format: part of the source's fingerprint."""
    chunk_bytes: int | None = None
    """No request may ask for more: some sites slow longer ones down."""
    language: str = ""
    """ISO 639-2, of its sound; empty or `und` if nothing says so. The media themselves may say more."""
    title: str = ""
    recording: Recording | None = None
    """What a playlist or manifest came down to."""
    mirrored: bool = False
    """Each time the address may lead to another mirror: what names another version is fetched anew."""
    opening: str = ""
    """Names an answer that is already open; whoever fetches first goes on with it."""

    def part(self, path: Path, size_bytes: int | None) -> InputFile:
        """Return what the demuxer is told of it."""
        found = self.recording
        return InputFile(
            path=str(path),
            size_bytes=size_bytes,
            kind=self.kind,
            language=self.language,
            title=self.title,
            in_pieces=found is not None,
            duration_s=None if found is None else found.duration_s or None,
        )


class Subtitle(msgspec.Struct, frozen=True, kw_only=True):
    """A subtitle file beside the source."""

    url: str
    language: str
    format: str = "vtt"
    title: str = ""
    automatic: bool = False
    forced: bool = False
    hearing_impaired: bool = False
    headers: dict[str, str] = {}
    """For `url`; other origins are sent none that are secret."""
    stretches: tuple[Stretch, ...] = ()
    """What a manifest at `url` says that it comes in; none: `url` is the file itself."""


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What a source turned out to be."""

    title: str
    webpage_url: str
    inputs: tuple[Input, ...]
    duration_s: float | None = None
    offers: tuple[Offer, ...] = ()
    """All formats of a page, of which `inputs` are some."""
    subtitles: tuple[Subtitle, ...] = ()
    lost_texts: tuple[LostText, ...] = ()
    """Of which those are told of that somebody wants."""
    chapters: tuple[Chapter, ...] = ()
    tags: dict[str, str] = {}
    extractor: str = "direct"
    warnings: tuple[str, ...] = ()


class Resolver(Protocol):
    """Finds the files behind a source."""

    async def resolve(self, source: Source) -> Resolved:
        """Return what is to be fetched; the first bytes of a direct source are already on their way.

        Raises:
            TransientError: SOURCE_UNREACHABLE, SOURCE_UNAVAILABLE (with `retry_after_s` if asked).
            PermanentError: SOURCE_REFUSED, SOURCE_NOT_FOUND, SOURCE_FORBIDDEN, UNSUPPORTED_PAGE,
                UNSUPPORTED_SOURCE, PROTECTED, NOT_MEDIA, LIMIT_EXCEEDED, INVALID_REQUEST.
        """
        ...

    async def release(self, resolved: Resolved) -> None:
        """Close what `resolve` opened and nobody went on with; harmless at any time."""
        ...


class Fetch(Protocol):
    """One input while it arrives. `path` may be read wherever `available` says so."""

    @property
    def path(self) -> Path:
        """The file that the bytes arrive in; for a local source the source itself."""
        ...

    @property
    def size(self) -> int | None:
        """The whole size in bytes; None while unknown, set at the end at the latest."""
        ...

    @property
    def accepts_ranges(self) -> bool:
        """Whether `wait_for` can make a range come sooner."""
        ...

    @property
    def bytes_fetched(self) -> int:
        """How many bytes are there, those of earlier attempts included."""
        ...

    @property
    def validator(self) -> Validator:
        """The version that is being fetched: part of the source's fingerprint."""
        ...

    @property
    def splices(self) -> Sequence[Splice]:
        """Where new stretches of media begin, in order; known before any byte behind them is available."""
        ...

    @property
    def complete(self) -> "asyncio.Future[None]":
        """Done when every byte is there; holds the error if that will not be. Not to be cancelled."""
        ...

    def available(self, start: int, length: int) -> bool:
        """Tell whether these bytes can be read now; what lies behind the source's end counts as there."""
        ...

    async def wait_for(self, start: int, length: int) -> None:
        """Wait until `available(start, length)`; the range is fetched before others meanwhile.

        Raises:
            TransientError: The fetch failed or was closed.
            PermanentError: The fetch failed for good.
        """
        ...

    async def close(self) -> None:
        """Stop, keep what is there for the next attempt, and return when nothing runs any more."""
        ...


class Fetcher(Protocol):
    """Brings inputs onto the scratch volume."""

    async def open(self, wanted: Input, part: Path) -> Fetch:
        """Begin, or go on, to fetch `wanted` into `part`; returns when size and validator are known.

        Beside `part` lies a journal of what is there, so that after a crash less than one chunk comes twice.

        Raises:
            TransientError: As for `Resolver.resolve`.
            PermanentError: As for `Resolver.resolve`; SOURCE_CHANGED if `part` holds another version,
                NO_SPACE, NOT_WRITABLE.
        """
        ...


class TextFetcher(Protocol):
    """Brings subtitle files in, whole."""

    async def fetch(self, subtitle: Subtitle, path: Path) -> None:
        """Write the file that `subtitle` names to `path`, or each stretch where `subtitling.part_of` says.

        Raises:
            TransientError: As for `Resolver.resolve`.
            PermanentError: As for `Resolver.resolve`.
        """
        ...


class Body(Protocol):
    """An answer whose bytes are still coming. Belongs to one task; must be closed."""

    @property
    def start(self) -> int:
        """Where in the source the first byte of `read` lies."""
        ...

    @property
    def stop(self) -> int | None:
        """Where in the source the answer ends; None if it is not said."""
        ...

    @property
    def total(self) -> int | None:
        """The size of the whole source, as far as this answer says."""
        ...

    @property
    def ranged(self) -> bool:
        """Whether the source gives out ranges."""
        ...

    @property
    def validator(self) -> Validator:
        """The version that these bytes are of."""
        ...

    async def read(self) -> bytes:
        """Return what has arrived, waiting for at least one byte; empty at the end.

        Raises:
            TransientError: SOURCE_UNREACHABLE: the connection broke off.
        """
        ...

    async def close(self) -> None:
        """Give the connection back, or drop it if there is more to come."""
        ...


class RangeSource(Protocol):
    """Something that can be asked for stretches of one file."""

    @property
    def splices(self) -> Sequence[Splice]:
        """Where new stretches of media begin, as far as it is known; see `Fetch.splices`."""
        ...

    async def get(self, wanted: Wanted) -> Body:
        """Ask for `wanted`; the answer may begin elsewhere if ranges are not given out.

        Raises:
            TransientError: As for `Resolver.resolve`.
            PermanentError: As for `Resolver.resolve`; SOURCE_CHANGED if the range lies behind the end.
        """
        ...


class Demuxer(Protocol):
    """Takes a source apart while it arrives, out of reach of whatever its bytes do."""

    def demux(self, order: DemuxOrder, fetches: Sequence[Fetch]) -> AsyncGenerator[Message, None]:
        """Yield what is found, `Probed` first and `Finished` last; close it to stop at once.

        A message's files belong to the caller from then on.

        Raises:
            TransientError: The demuxer died, the scratch disk failed, or a fetch did.
            PermanentError: NOT_MEDIA, DAMAGED, PROTECTED, UNSUPPORTED_MEDIA, LIMIT_EXCEEDED.
        """
        ...


class Announcer(Protocol):
    """Tells the other services."""

    async def announce(self, event: Event) -> object:
        """Append `event` to the log; when this returns, it is a fact.

        Raises:
            TransientError: The log did not acknowledge in time.
        """
        ...

    async def progress(self, progress: Progress) -> None:
        """Tell how far the fetch is, now and then.

        Raises:
            TransientError: The log did not acknowledge in time.
        """
        ...


class RunFolder(Protocol):
    """One run's place on the worker's own disk."""

    @property
    def made(self) -> Path:
        """Where the demuxer writes."""
        ...

    def part(self, number: int) -> Path:
        """Where input `number` arrives."""
        ...

    async def prepare(self) -> None:
        """Make it, empty but for part files."""
        ...

    async def clear(self) -> None:
        """Drop what the demuxer made."""
        ...

    async def remove(self) -> None:
        """Drop everything."""
        ...
