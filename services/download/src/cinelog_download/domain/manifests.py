"""Manifests of DASH (ISO/IEC 23009-1), as far as finished presentations need them.

The best picture, and the best sound of every language, each period's as a stretch of its own.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Final
from urllib.parse import urljoin
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

import msgspec
from cinelog_common.errors import Category, PermanentError

from cinelog_download.domain.pieces import (
    MAX_PIECES,
    Piece,
    Recording,
    live,
    malformed,
    names_nothing,
    protected,
    too_many,
)
from cinelog_download.domain.templates import fill_in

_WHAT: Final = "DASH manifest"
_DURATION: Final = re.compile(
    r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8}(?:\.\d{1,12})?)S)?)?"
)
_LIST_TAGS: Final = ("SegmentBase", "SegmentList", "SegmentTemplate")
_HARMLESS_REST_S: Final = 0.2
"""A last segment shorter than this may be a matter of rounding, and not exist."""


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One picture or sound of a presentation."""

    kind: str
    """`video`, `audio` or `both`."""
    name: str
    language: str = ""
    url: str | None = None
    """The whole stream as one file, if it is one."""
    recording: Recording | None = None


class _Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One representation in one period."""

    kind: str
    name: str
    language: str
    main: bool
    quality: tuple[int, int]
    locked: bool
    pieces: tuple[Piece, ...]
    whole: bool


class _Level(msgspec.Struct, frozen=True, kw_only=True):
    """What is inherited from the elements above."""

    base_url: str
    attributes: dict[str, str] = {}
    lists: dict[str, tuple[Element, ...]] = {}

    def under(self, element: Element) -> "_Level":
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
        return _Level(
            base_url=urljoin(self.base_url, base.strip()),
            attributes={**self.attributes, **element.attrib},
            lists=lists,
        )


def streams(text: str, base_url: str) -> tuple[Stream, ...]:
    """Return the best picture, and then the best sound of each language, the main one first.

    Raises:
        PermanentError: NOT_MEDIA; UNSUPPORTED_SOURCE for a live presentation; PROTECTED; LIMIT_EXCEEDED.
    """
    root = _parsed(text)
    if root.attrib.get("type", "static") != "static":
        raise live()
    top = _Level(base_url=base_url).under(root)
    periods = [_offers(each, top, length_s) for each, length_s in _periods(root)]
    if not any(periods):
        raise names_nothing(_WHAT)
    found = [stream for kind in ("video", "both") if (stream := _joined(periods, kind, ""))][:1]
    languages = dict.fromkeys(
        offer.language
        for offers in periods
        for offer in sorted(offers, key=lambda one: not one.main)
        if offer.kind == "audio"
    )
    found += [stream for language in languages if (stream := _joined(periods, "audio", language))]
    if not found:
        raise protected(_WHAT) if any(periods) else names_nothing(_WHAT)
    return tuple(found)


def _parsed(text: str) -> Element:
    # Entities can make gigabytes of a few lines; no manifest needs any, nor a document type.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise malformed(_WHAT, "it declares entities")
    try:
        root = ET.fromstring(text)  # noqa: S314  # see above
    except (ET.ParseError, ValueError) as error:
        raise malformed(_WHAT) from error
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    if root.tag != "MPD":
        raise malformed(_WHAT)
    return root


def _periods(root: Element) -> Iterator[tuple[Element, float]]:
    """Yield periods with their lengths in seconds, 0 where nothing tells it (5.3.2.1)."""
    found = root.findall("Period")
    total = _seconds(root.get("mediaPresentationDuration"))
    at = 0.0
    for period, following in zip_longest(found, found[1:]):
        start = _seconds(period.get("start"), at)
        end = _seconds(following.get("start"), 0.0) if following is not None else total
        length = _seconds(period.get("duration"), max(0.0, end - start))
        at = start + length
        yield period, length


def _offers(period: Element, top: _Level, length_s: float) -> list[_Offer]:
    level = top.under(period)
    return [
        offer
        for adaptation in period.findall("AdaptationSet")
        for representation in adaptation.findall("Representation")
        if (offer := _offer(adaptation, representation, level, length_s)) is not None
    ]


def _offer(adaptation: Element, representation: Element, above: _Level, length_s: float) -> _Offer | None:
    level = above.under(adaptation)
    level = level.under(representation)
    kind = _kind(level.attributes)
    tricks = [child.get("schemeIdUri", "") for child in adaptation if child.tag == "EssentialProperty"]
    if kind is None or any("trickmode" in trick for trick in tricks):
        return None
    roles = {child.get("value", "") for child in adaptation if child.tag == "Role"}
    locked = any(child.tag == "ContentProtection" for one in (adaptation, representation) for child in one)
    listed = _pieces(level, length_s)
    return _Offer(
        kind=kind,
        name=level.attributes.get("id", kind),
        language=level.attributes.get("lang", ""),
        main="main" in roles or not roles,
        quality=(_whole(level.attributes.get("height")), _whole(level.attributes.get("bandwidth"))),
        locked=locked,
        pieces=tuple(listed) if listed is not None else (Piece(url=level.base_url, duration_s=length_s),),
        whole=listed is None,
    )


def _kind(attributes: Mapping[str, str]) -> str | None:
    kind = attributes.get("contentType") or attributes.get("mimeType", "").partition("/")[0]
    codecs = attributes.get("codecs", "")
    if kind == "video" and "mp4a" in codecs:
        return "both"
    return kind if kind in {"video", "audio"} else None


def _joined(periods: list[list[_Offer]], kind: str, language: str) -> Stream | None:
    """Return the best open stream of a kind through all periods; None if there is none."""
    pieces: list[Piece] = []
    chosen: list[_Offer] = []
    for number, offers in enumerate(periods):
        fit = [
            offer
            for offer in offers
            if offer.kind == kind
            and not offer.locked
            and offer.pieces
            and (kind != "audio" or offer.language == language)
        ]
        if not fit:
            continue
        best = max(fit, key=lambda offer: (offer.main, offer.quality))
        chosen.append(best)
        first, *others = best.pieces
        pieces += [msgspec.structs.replace(first, begins=number), *others]
    if not chosen:
        return None
    if len(pieces) > MAX_PIECES:
        raise too_many(_WHAT)
    only = chosen[0]
    alone = len(periods) == 1 and only.whole
    return Stream(
        kind=kind,
        name=only.name,
        language=language,
        url=only.pieces[0].url if alone else None,
        recording=Recording(pieces=tuple(pieces), duration_s=sum(each.duration_s for each in pieces)),
    )


def _pieces(level: _Level, length_s: float) -> list[Piece] | None:
    """Return init section and segments; None if the representation is one file."""
    if level.lists["SegmentTemplate"]:
        return list(_by_template(level, length_s))
    if level.lists["SegmentList"]:
        return list(_by_list(level))
    return None


def _by_template(level: _Level, length_s: float) -> Iterator[Piece]:
    said = _Said(level.lists["SegmentTemplate"])
    names: dict[str, str | int] = {
        "RepresentationID": level.attributes.get("id", ""),
        "Bandwidth": _whole(level.attributes.get("bandwidth")),
    }
    init = said.get("initialization")
    if init is not None:
        yield Piece(url=urljoin(level.base_url, fill_in(init, names)))
    else:
        yield from _init_of(said, level.base_url)
    media = said.get("media")
    if media is None:
        raise malformed(_WHAT, "a template names no media")
    for number, time, duration_s, unsure in said.segments(length_s):
        url = urljoin(level.base_url, fill_in(media, {**names, "Number": number, "Time": time}))
        yield Piece(url=url, duration_s=duration_s, perhaps=unsure)


def _by_list(level: _Level) -> Iterator[Piece]:
    said = _Said(level.lists["SegmentList"])
    yield from _init_of(said, level.base_url)
    durations = [duration_s for _, _, duration_s, _ in said.timeline(math.inf)]
    alike = _whole(said.get("duration")) / said.timescale
    for at, segment in enumerate(said.children("SegmentURL")):
        start, stop = _byte_range(segment.get("mediaRange"))
        url = urljoin(level.base_url, segment.get("media", ""))
        duration_s = durations[at] if at < len(durations) else alike
        yield Piece(url=url, duration_s=duration_s, start=start, stop=stop)


def _init_of(said: "_Said", base_url: str) -> Iterator[Piece]:
    for init in said.children("Initialization")[:1]:
        start, stop = _byte_range(init.get("range"))
        yield Piece(url=urljoin(base_url, init.get("sourceURL", "")), start=start, stop=stop)


class _Said:
    """A segment list or template with what it inherits (5.3.9.1): the nearest element's word holds."""

    def __init__(self, elements: Iterable[Element]) -> None:
        self._elements = tuple(elements)
        self.timescale = max(1, _whole(self.get("timescale")))

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
        first, step = _whole(self.get("startNumber"), 1), _whole(self.get("duration"))
        last = self.get("endNumber")
        if not step or (not length_s and last is None):
            raise malformed(_WHAT, "nothing says how many segments there are")
        step_s = step / self.timescale
        count = math.ceil(length_s / step_s) if last is None else _whole(last) - first + 1
        if count > MAX_PIECES:
            raise too_many(_WHAT)
        offset = _whole(self.get("presentationTimeOffset"))
        for at in range(count):
            duration_s = step_s if last is not None else min(step_s, length_s - at * step_s)
            yield first + at, offset + at * step, duration_s, last is None and duration_s < _HARMLESS_REST_S

    def timeline(self, length_s: float) -> Iterator[tuple[int, int, float, bool]]:
        """Yield what a timeline says (5.3.9.6), as `segments`; nothing without one."""
        number, at = _whole(self.get("startNumber"), 1), 0
        entries = [entry for line in self.children("SegmentTimeline") for entry in line.findall("S")]
        end = length_s * self.timescale + _whole(self.get("presentationTimeOffset"))
        for entry, following in zip_longest(entries, entries[1:]):
            at, duration = _whole(entry.get("t"), at), _whole(entry.get("d"))
            number = _whole(entry.get("n"), number)
            if duration <= 0:
                raise malformed(_WHAT, "a segment lasts no time")
            again = entry.get("r", "0").strip()
            until = end if following is None else _whole(following.get("t"), 0)
            # A negative count goes on to the next entry or to the period's end.
            left = max(1.0, (until - at) / duration)
            count = _whole(again) + 1 if not again.startswith("-") else left
            if not count <= MAX_PIECES:
                raise too_many(_WHAT)
            for _ in range(math.ceil(count - 1e-6)):
                yield number, at, duration / self.timescale, False
                number, at = number + 1, at + duration


def _byte_range(text: str | None) -> tuple[int | None, int | None]:
    first, dash, last = (text or "").partition("-")
    return (_whole(first), _whole(last) + 1) if dash else (None, None)


def _seconds(text: str | None, default: float = 0.0) -> float:
    """Return an xs:duration in seconds; years and months do not occur in films."""
    match = _DURATION.fullmatch((text or "").strip())
    if not text or match is None:
        return default
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _whole(text: str | None, default: int = 0) -> int:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else default
