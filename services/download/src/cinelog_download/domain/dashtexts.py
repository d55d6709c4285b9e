"""Text tracks of a DASH presentation, and those that cannot be used: none goes without a word. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element

import msgspec
from cinelog_common.errors import PermanentError

from cinelog_download.domain.pieces import MAX_PIECES, Piece
from cinelog_download.domain.segmentlists import Level, is_locked, names_beside, origin_s, segments

MOST_SEGMENTS: Final = 5000
"""Of one text track; pieces of text are fetched one by one, and each is hardly larger than its request."""
MOST_TRACKS: Final = 500
_COST_OF_AN_ERROR: Final = 500
"""In segments."""
_TOO_MANY: Final = "They come in too many segments."
_LONGEST_TAG: Final = 35
"""RFC 5646 4.4.1: what every program must be able to hold."""
_LONGEST_NAME: Final = 200
_LONGEST_KIND: Final = 60
_LOCKED: Final = "They are protected (DRM)."
_FORCED: Final = frozenset({"forced-subtitle", "forced_subtitle"})
_TEXT_ROLES: Final = _FORCED | {"caption", "subtitle"}
_FORMS: Final = ("vtt", "mp4")
"""The better one first: in MP4 a cue may come once for every segment that it is shown in."""


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """What a text track says in one period."""

    pieces: tuple[Piece, ...]
    origin_s: float = 0.0
    """What the clock of its cues shows where the period begins."""
    begins_s: float = 0.0
    """Where in the film the period begins."""
    lasts_s: float | None = None
    """How long the period is; None for the last one, whose end is the film's."""


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A text track that can be read."""

    language: str
    """A tag such as `pt-BR`, or `und`."""
    title: str
    """No two tracks of one language have the same."""
    form: str
    """`vtt`: files of WebVTT; `mp4`: samples of WebVTT (ISO/IEC 14496-30)."""
    forced: bool
    hearing_impaired: bool
    stretches: tuple[Stretch, ...]


class LostText(msgspec.Struct, frozen=True, kw_only=True):
    """A text track that is left out."""

    language: str
    why: str
    """A sentence for the user."""
    partly: bool = False
    """Whether other periods of it are used."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A period of which the film has a picture."""

    period: Element
    level: Level
    length_s: float
    """As the manifest has it; 0 where nothing tells it."""
    begins_s: float
    lasts_s: float | None
    """As for `Stretch`."""


class _Name(NamedTuple):
    """What is the same for one track in all periods."""

    language: str
    label: str
    forced: bool
    hearing_impaired: bool
    number: int = 0
    """Counts what is alike in all the rest."""


class _Version(NamedTuple):
    """One way in which a track comes in one period."""

    form: str
    why: str
    """Why it cannot be read; empty if it can."""
    span: Span
    level: Level


def texts(spans: Sequence[Span]) -> tuple[tuple[Text, ...], tuple[LostText, ...]]:
    """Return the text tracks of a presentation, in the manifest's order, and those that are left out.

    Of a track that comes in several forms, as for several players, the best one is taken.
    """
    tracks: dict[_Name, list[_Version]] = {}
    for span in spans:
        for name, version in _versions(span):
            tracks.setdefault(name, []).append(version)
    found: list[Text] = []
    lost: list[LostText] = []
    titles = _Titles()
    left = MAX_PIECES
    for number, (name, versions) in enumerate(tracks.items()):
        if number >= MOST_TRACKS:
            lost.append(LostText(language=name.language, why=f"There are more than {MOST_TRACKS} tracks."))
            continue
        track = _Track(versions, room=min(MOST_SEGMENTS, left))
        left -= track.made
        lost += track.lost(name.language)
        if track.stretches:
            found.append(
                Text(
                    language=name.language,
                    title=titles.of(name),
                    form=track.form,
                    forced=name.forced,
                    hearing_impaired=name.hearing_impaired,
                    stretches=tuple(track.stretches),
                )
            )
    return tuple(found), tuple(lost)


def _versions(span: Span) -> Iterator[tuple[_Name, _Version]]:
    alike: Counter[tuple[_Name, str]] = Counter()
    for adaptation in span.period.findall("AdaptationSet"):
        above = span.level.under(adaptation)
        roles, locked = names_beside(adaptation, "Role", "value"), is_locked(adaptation)
        offered = ((each, above.under(each)) for each in adaptation.findall("Representation"))
        known = (
            (*_form_of(level, roles, locked=locked or is_locked(each)), level) for each, level in offered
        )
        # The representations of a set say the same (5.3.3.1).
        form, why, level = min(
            known, key=lambda one: bool(not one[0] or one[1]), default=("", "", span.level)
        )
        if form:
            name = _name_of(adaptation, level, roles)
            yield name._replace(number=alike[name, form]), _Version(form, why, span, level)
            alike[name, form] += 1


def _form_of(level: Level, roles: frozenset[str], *, locked: bool) -> tuple[str, str]:
    """Return the form of a text track, and why it cannot be read, if so; twice nothing if it is no text."""
    content, mime, codecs = (
        _plain(level.attributes.get(name, ""), _LONGEST_KIND).lower()
        for name in ("contentType", "mimeType", "codecs")
    )
    kind, major = codecs or mime, mime.partition("/")[0]
    form, why = "", ""
    if mime == "text/vtt":
        form = "vtt"
    elif codecs == "wvtt":
        form = "mp4"
    elif mime == "application/ttml+xml" or codecs.startswith("stpp"):
        form, why = "ttml", f"They are TTML ({kind}), which Cinelog does not read."
    elif "text" in {content, major} or ((content or major) == "application" and roles & _TEXT_ROLES):
        what = f" ({kind})" if kind else ""
        form, why = kind or "unsaid", f"They are of a kind{what} that Cinelog does not read."
    if form and locked:
        why = _LOCKED
    return form, why


def _name_of(adaptation: Element, level: Level, roles: frozenset[str]) -> _Name:
    label = next((child.text for child in adaptation if child.tag == "Label" and child.text), "")
    return _Name(
        language=_plain(level.attributes.get("lang", ""), _LONGEST_TAG) or "und",
        label=_plain(label or level.attributes.get("label", ""), _LONGEST_NAME),
        forced=bool(roles & _FORCED),
        # 5.8.5.5: captions tell of sounds, too, which subtitles do not.
        hearing_impaired="caption" in roles,
    )


def _plain(text: str, most: int) -> str:
    return "".join(char for char in text if char.isprintable()).strip()[:most].strip()


class _Track:
    """A track in the form that most periods have.

    Attributes:
        form: Which one that is.
        stretches: In the periods' order.
        made: How many segments had to be listed for that.
    """

    def __init__(self, versions: Sequence[_Version], *, room: int) -> None:
        # Of each period, why it is left out; what can be read comes last here, and so is what is kept.
        readable_last = sorted(versions, key=lambda each: not each.why)
        self._left_out = {id(each.span): each.why or "Their format changes." for each in readable_last}
        counts = Counter(each.form for each in versions if not each.why)
        self.form = max(_FORMS, key=lambda form: counts[form])
        self.stretches: list[Stretch] = []
        self.made = 0
        for version in versions:
            if version.form == self.form and not version.why:
                self._add(version, room)

    def lost(self, language: str) -> list[LostText]:
        """Return why periods of it are left out."""
        partly = bool(self.stretches)
        return [
            LostText(language=language, why=why, partly=partly)
            for why in dict.fromkeys(self._left_out.values())
        ]

    def _add(self, version: _Version, room: int) -> None:
        span = version.span
        if self.made > room:
            self._left_out[id(span)] = _TOO_MANY
            return
        try:
            listed = segments(version.level, span.length_s)
            # One more than there may be tells that there are too many.
            most = max(0, room - self.made) + 1
            pieces = (Piece(url=version.level.base_url),) if listed is None else tuple(islice(listed, most))
        except PermanentError as error:
            self._left_out[id(span)] = error.message
            # To find that out may have taken as long as to list them.
            self.made += _COST_OF_AN_ERROR
            return
        self.made += len(pieces)
        if self.made > room:
            self._left_out[id(span)] = _TOO_MANY
            return
        stretch = Stretch(
            pieces=pieces,
            origin_s=origin_s(version.level),
            begins_s=span.begins_s,
            lasts_s=span.lasts_s,
        )
        self.stretches.append(stretch)
        del self._left_out[id(span)]


class _Titles:
    """Gives each track of a language a title of its own."""

    def __init__(self) -> None:
        self._given: set[tuple[str, str]] = set()
        self._numbers: Counter[tuple[str, str]] = Counter()

    def of(self, name: _Name) -> str:
        """Return the label, with a number behind it where another track has it."""
        key = title = name.label
        while (name.language, title) in self._given:
            self._numbers[name.language, key] += 1
            title = f"{key or name.language} {self._numbers[name.language, key] + 1}"
        self._given.add((name.language, title))
        return title
