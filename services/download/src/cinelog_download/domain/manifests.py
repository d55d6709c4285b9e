"""Manifests of DASH (ISO/IEC 23009-1), as far as finished presentations need them.

The best picture, the best sound of every language, and its texts, each period's as a stretch of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

import msgspec

from cinelog_download.domain.dashtexts import LostText, Span, Text, texts
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
from cinelog_download.domain.segmentlists import (
    WHAT,
    Level,
    is_locked,
    names_beside,
    seconds,
    segments,
    whole,
)

_MOST_OF_ALL: Final = 4 * MAX_PIECES
"""Pieces of all sounds together: there may be any number of languages."""


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One picture or sound of a presentation."""

    kind: str
    """`video`, `audio` or `both`."""
    name: str
    language: str = ""
    url: str | None = None
    """The whole stream as one file, if it is one."""
    recording: Recording | None = None


class Presentation(msgspec.Struct, frozen=True, kw_only=True):
    """What a manifest leads to."""

    streams: tuple[Stream, ...]
    """The best picture, and then the best sound of each language, the main one first."""
    texts: tuple[Text, ...] = ()
    lost: tuple[LostText, ...] = ()


class _Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One representation in one period."""

    kind: str
    name: str
    language: str
    main: bool = True
    quality: tuple[int, int]
    locked: bool
    level: Level
    length_s: float

    def pieces(self) -> tuple[Piece, ...]:
        """List them, which may be many: of what is chosen only."""
        listed = segments(self.level, self.length_s)
        if listed is None:
            return (Piece(url=self.level.base_url, duration_s=self.length_s),)
        return tuple(listed)


def presentation(text: str, base_url: str) -> Presentation:
    """Return what is to be fetched of a presentation. Text that cannot be read is no error.

    Raises:
        PermanentError: NOT_MEDIA; UNSUPPORTED_SOURCE for a live presentation; PROTECTED; LIMIT_EXCEEDED.
    """
    root = _parsed(text)
    if root.attrib.get("type", "static") != "static":
        raise live()
    top = Level(base_url=base_url).under(root)
    bounds = list(_periods(root))
    periods = [_offers(each, top, length_s) for each, length_s in bounds]
    if not any(periods):
        raise names_nothing(WHAT)
    found = [stream for kind in ("video", "both") if (stream := _joined(periods, kind, ""))][:1]
    languages = dict.fromkeys(
        offer.language
        for offers in periods
        for offer in sorted(offers, key=lambda one: not one.main)
        if offer.kind == "audio"
    )
    left = _MOST_OF_ALL
    for language in languages:
        sound = _joined(periods, "audio", language, min(MAX_PIECES, left))
        if sound is not None and sound.recording is not None:
            left -= len(sound.recording.pieces)
            found.append(sound)
    if not found:
        raise protected(WHAT) if any(periods) else names_nothing(WHAT)
    known, lost = texts(list(_spans(bounds, top, found[0])))
    return Presentation(streams=tuple(found), texts=known, lost=lost)


def _parsed(text: str) -> Element:
    # Entities can make gigabytes of a few lines; no manifest needs any, nor a document type.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise malformed(WHAT, "it declares entities")
    try:
        root = ET.fromstring(text)  # noqa: S314  # see above
    except (ET.ParseError, ValueError) as error:
        raise malformed(WHAT) from error
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    if root.tag != "MPD":
        raise malformed(WHAT)
    return root


def _periods(root: Element) -> Iterator[tuple[Element, float]]:
    """Yield periods with their lengths in seconds, 0 where nothing tells it (5.3.2.1)."""
    found = root.findall("Period")
    total = seconds(root.get("mediaPresentationDuration"))
    at = 0.0
    for period, following in zip_longest(found, found[1:]):
        start = seconds(period.get("start"), at)
        end = seconds(following.get("start"), 0.0) if following is not None else total
        length = seconds(period.get("duration"), max(0.0, end - start))
        at = start + length
        yield period, length


def _spans(bounds: Sequence[tuple[Element, float]], top: Level, shown: Stream) -> Iterator[Span]:
    """Yield the periods that are `shown`, where the film has them: one stretch right behind another."""
    assert shown.recording is not None
    lengths: dict[int, float] = {}
    number = 0
    for piece in shown.recording.pieces:
        number = number if piece.begins is None else piece.begins
        lengths[number] = lengths.get(number, 0.0) + piece.duration_s
    at = 0.0
    for each, own_s in lengths.items():
        period, length_s = bounds[each]
        lasts_s = own_s or length_s
        yield Span(
            period=period,
            level=top.under(period),
            length_s=length_s,
            begins_s=at,
            lasts_s=(lasts_s or None) if each != number else None,
        )
        at += lasts_s


def _offers(period: Element, top: Level, length_s: float) -> list[_Offer]:
    level = top.under(period)
    return [
        offer for adaptation in period.findall("AdaptationSet") for offer in _set(adaptation, level, length_s)
    ]


def _set(adaptation: Element, above: Level, length_s: float) -> Iterator[_Offer]:
    """Yield what an adaptation set offers, which is looked through once: it may have very many children."""
    if any("trickmode" in each for each in names_beside(adaptation, "EssentialProperty", "schemeIdUri")):
        return
    level = above.under(adaptation)
    roles = names_beside(adaptation, "Role", "value")
    locked = is_locked(adaptation)
    for representation in adaptation.findall("Representation"):
        offer = _offer(representation, level, length_s)
        if offer is not None:
            yield msgspec.structs.replace(
                offer, main="main" in roles or not roles, locked=locked or offer.locked
            )


def _offer(representation: Element, above: Level, length_s: float) -> _Offer | None:
    level = above.under(representation)
    kind = _kind(level.attributes)
    if kind is None:
        return None
    return _Offer(
        kind=kind,
        name=level.attributes.get("id", kind),
        language=level.attributes.get("lang", ""),
        quality=(whole(level.attributes.get("height")), whole(level.attributes.get("bandwidth"))),
        locked=is_locked(representation),
        level=level,
        length_s=length_s,
    )


def _kind(attributes: Mapping[str, str]) -> str | None:
    kind = attributes.get("contentType") or attributes.get("mimeType", "").partition("/")[0]
    codecs = attributes.get("codecs", "")
    if kind == "video" and "mp4a" in codecs:
        return "both"
    return kind if kind in {"video", "audio"} else None


def _joined(periods: list[list[_Offer]], kind: str, language: str, room: int = MAX_PIECES) -> Stream | None:
    """Return the best open stream of a kind through all periods; None if there is none.

    Raises:
        PermanentError: NOT_MEDIA; LIMIT_EXCEEDED for more than `room` pieces.
    """
    pieces: list[Piece] = []
    chosen: list[_Offer] = []
    for number, offers in enumerate(periods):
        fit = [
            offer
            for offer in offers
            if offer.kind == kind and not offer.locked and (kind != "audio" or offer.language == language)
        ]
        fit.sort(key=lambda offer: (offer.main, offer.quality), reverse=True)
        best, listed = next(((offer, listed) for offer in fit if (listed := offer.pieces())), (None, ()))
        if best is None:
            continue
        chosen.append(best)
        first, *others = listed
        pieces += [msgspec.structs.replace(first, begins=number), *others]
        if len(pieces) > room:
            raise too_many(WHAT)
    if not chosen:
        return None
    only = chosen[0]
    alone = len(periods) == 1 and segments(only.level, only.length_s) is None
    return Stream(
        kind=kind,
        name=only.name,
        language=language,
        url=pieces[0].url if alone else None,
        recording=Recording(pieces=tuple(pieces), duration_s=sum(each.duration_s for each in pieces)),
    )
