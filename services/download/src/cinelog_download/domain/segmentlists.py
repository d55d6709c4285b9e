"""What a DASH manifest says of segments, by element and by what elements inherit (ISO/IEC 23009-1 5.3.9)."""

import math
import re
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from typing import Final
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

import msgspec
from cinelog_common.errors import Category, PermanentError

from cinelog_download.domain.pieces import MAX_PIECES, Piece, malformed, too_many
from cinelog_download.domain.templates import fill_in

WHAT: Final = "DASH manifest"
_DURATION: Final = re.compile(
    r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8}(?:\.\d{1,12})?)S)?)?"
)
_LIST_TAGS: Final = ("SegmentBase", "SegmentList", "SegmentTemplate")
_HARMLESS_REST_S: Final = 0.2
"""A last segment shorter than this may be a matter of rounding, and not exist."""


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """What is inherited from the elements above."""

    base_url: str
    attributes: dict[str, str] = {}
    lists: dict[str, tuple[Element, ...]] = {}

    def under(self, element: Element) -> "Level":
        """Return what holds below `element`."""
        if "{http://www.w3.org/1999/xlink}href" in element.attrib:
            raise PermanentError(
                "Parts of the DASH manifest lie elsewhere, which Cinelog does not follow.",
                category=Category.UNSUPPORTED_SOURCE,
                action="Give the address of the video as one file.",
            )
        base = next((child.text for child in element if child.tag == "BaseURL" and child.text), "")
        lists = {
            tag: (*(child for child in element if child.tag == tag), *self.lists.get(tag, ()))
            for tag in _LIST_TAGS
        }
        return Level(
            base_url=_joined(self.base_url, base.strip()),
            attributes={**self.attributes, **element.attrib},
            lists=lists,
        )


def names_beside(element: Element, tag: str, name: str) -> frozenset[str]:
    """Return an attribute of all children of one tag."""
    return frozenset(child.get(name, "") for child in element if child.tag == tag)


def is_locked(element: Element) -> bool:
    """Whether it says that its media are protected (5.8.4.1)."""
    return any(child.tag == "ContentProtection" for child in element)


def segments(level: Level, length_s: float) -> Iterator[Piece] | None:
    """Return init section and segments, which are read as they are asked for; None if it is one file.

    Raises:
        PermanentError: NOT_MEDIA if they are not said properly; LIMIT_EXCEEDED. Both while they are read.
    """
    if level.lists["SegmentTemplate"]:
        return _counted(_by_template(level, length_s))
    if level.lists["SegmentList"]:
        return _counted(_by_list(level))
    return None


def origin_s(level: Level) -> float:
    """Return what the media's own clock shows where the period begins, in seconds (5.3.9.2)."""
    for tag in ("SegmentTemplate", "SegmentList", "SegmentBase"):
        if level.lists[tag]:
            said = _Said(level.lists[tag])
            return whole(said.get("presentationTimeOffset")) / said.timescale
    return 0.0


def _counted(found: Iterator[Piece]) -> Iterator[Piece]:
    # Each line of a timeline may be short, and stand for as many segments as there may be.
    for count, piece in enumerate(found, 1):
        if count > MAX_PIECES:
            raise too_many(WHAT)
        yield piece


def _by_template(level: Level, length_s: float) -> Iterator[Piece]:
    said = _Said(level.lists["SegmentTemplate"])
    names: dict[str, str | int] = {
        "RepresentationID": level.attributes.get("id", ""),
        "Bandwidth": whole(level.attributes.get("bandwidth")),
    }
    init = said.get("initialization")
    if init is not None:
        yield Piece(url=_joined(level.base_url, fill_in(init, names)))
    else:
        yield from _init_of(said, level.base_url)
    media = said.get("media")
    if media is None:
        raise malformed(WHAT, "a template names no media")
    for number, time, duration_s, unsure in said.segments(length_s):
        url = _joined(level.base_url, fill_in(media, {**names, "Number": number, "Time": time}))
        yield Piece(url=url, duration_s=duration_s, perhaps=unsure)


def _by_list(level: Level) -> Iterator[Piece]:
    said = _Said(level.lists["SegmentList"])
    yield from _init_of(said, level.base_url)
    urls = said.children("SegmentURL")
    durations = [duration_s for _, _, duration_s, _ in islice(said.timeline(math.inf), len(urls))]
    alike = whole(said.get("duration")) / said.timescale
    for at, segment in enumerate(urls):
        start, stop = _byte_range(segment.get("mediaRange"))
        url = _joined(level.base_url, segment.get("media", ""))
        duration_s = durations[at] if at < len(durations) else alike
        yield Piece(url=url, duration_s=duration_s, start=start, stop=stop)


def _init_of(said: "_Said", base_url: str) -> Iterator[Piece]:
    for init in said.children("Initialization")[:1]:
        start, stop = _byte_range(init.get("range"))
        yield Piece(url=_joined(base_url, init.get("sourceURL", "")), start=start, stop=stop)


class _Said:
    """A segment list or template with what it inherits (5.3.9.1): the nearest element's word holds."""

    def __init__(self, elements: Iterable[Element]) -> None:
        self._elements = tuple(elements)
        self.timescale = max(1, whole(self.get("timescale")))

    def get(self, name: str) -> str | None:
        """Return an attribute."""
        return next((each.attrib[name] for each in self._elements if name in each.attrib), None)

    def children(self, tag: str) -> list[Element]:
        """Return the children of one name."""
        return next((found for each in self._elements if (found := each.findall(tag))), [])

    def segments(self, length_s: float) -> Iterator[tuple[int, int, float, bool]]:
        """Yield number, time, duration in seconds, and whether it may be missing."""
        if self.children("SegmentTimeline"):
            yield from self.timeline(length_s)
            return
        first, step = whole(self.get("startNumber"), 1), whole(self.get("duration"))
        last = self.get("endNumber")
        if not step or (not length_s and last is None):
            raise malformed(WHAT, "nothing says how many segments there are")
        step_s = step / self.timescale
        count = math.ceil(length_s / step_s) if last is None else whole(last) - first + 1
        if count > MAX_PIECES:
            raise too_many(WHAT)
        offset = whole(self.get("presentationTimeOffset"))
        for at in range(count):
            duration_s = step_s if last is not None else min(step_s, length_s - at * step_s)
            yield first + at, offset + at * step, duration_s, last is None and duration_s < _HARMLESS_REST_S

    def timeline(self, length_s: float) -> Iterator[tuple[int, int, float, bool]]:
        """Yield what a timeline says (5.3.9.6), as `segments`; nothing without one."""
        number, at = whole(self.get("startNumber"), 1), 0
        entries = [entry for line in self.children("SegmentTimeline") for entry in line.findall("S")]
        end = length_s * self.timescale + whole(self.get("presentationTimeOffset"))
        for entry, following in zip_longest(entries, entries[1:]):
            at, duration = whole(entry.get("t"), at), whole(entry.get("d"))
            number = whole(entry.get("n"), number)
            if duration <= 0:
                raise malformed(WHAT, "a segment lasts no time")
            again = entry.get("r", "0").strip()
            until = end if following is None else whole(following.get("t"), 0)
            # A negative count goes on to the next entry or to the period's end.
            left = max(1.0, (until - at) / duration)
            count = whole(again) + 1 if not again.startswith("-") else left
            if not count <= MAX_PIECES:
                raise too_many(WHAT)
            for _ in range(math.ceil(count - 1e-6)):
                yield number, at, duration / self.timescale, False
                number, at = number + 1, at + duration


def _byte_range(text: str | None) -> tuple[int | None, int | None]:
    first, dash, last = (text or "").partition("-")
    return (whole(first), whole(last) + 1) if dash else (None, None)


def _joined(base_url: str, url: str) -> str:
    try:
        return urljoin(base_url, url)
    except ValueError as error:
        raise malformed(WHAT, "an address in it cannot be read") from error


def seconds(text: str | None, default: float = 0.0) -> float:
    """Return an xs:duration in seconds; years and months do not occur in films."""
    match = _DURATION.fullmatch((text or "").strip())
    if not text or match is None:
        return default
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def whole(text: str | None, default: int = 0) -> int:
    """Return a number without a sign, or `default` where there is none or it is too large."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else default
