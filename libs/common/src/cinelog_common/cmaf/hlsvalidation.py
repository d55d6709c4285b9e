"""Judges HLS playlists by the clauses of RFC 8216: a list of what is wrong, empty if nothing is.

Written from the RFC, clause by clause, as an independent eye on `playlists`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

import msgspec

from cinelog_common.cmaf.hlsparsing import Entry, Playlist, Tag, attributes, parse_playlist, unquoted
from cinelog_common.cmaf.playlists import PlaylistError
from cinelog_common.languages import is_tag


class Violation(msgspec.Struct, frozen=True):
    """Which playlist breaks which clause, and how."""

    playlist: str
    clause: str
    message: str


Finding = tuple[str, str]
"""(clause, message)"""

_SEGMENT_TAGS = frozenset(
    {"EXTINF", "EXT-X-BYTERANGE", "EXT-X-DISCONTINUITY", "EXT-X-KEY", "EXT-X-MAP", "EXT-X-PROGRAM-DATE-TIME"}
)
_MEDIA_TAGS = frozenset(
    {
        "EXT-X-TARGETDURATION",
        "EXT-X-MEDIA-SEQUENCE",
        "EXT-X-DISCONTINUITY-SEQUENCE",
        "EXT-X-ENDLIST",
        "EXT-X-PLAYLIST-TYPE",
        "EXT-X-I-FRAMES-ONLY",
    }
)
_MULTIVARIANT_TAGS = frozenset(
    {"EXT-X-MEDIA", "EXT-X-STREAM-INF", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-SESSION-DATA"}
)
_ONCE = _MEDIA_TAGS | {"EXT-X-VERSION", "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-START"}
_INTEGER = re.compile(r"\d{1,20}\Z")
_EXTINF = re.compile(r"(\d+(?:\.\d+)?),.*\Z")


def validate(playlists: Mapping[str, str]) -> list[Violation]:
    """Judge playlists by name; a multivariant playlist refers to the others by these names.

    A reference to a playlist that is not given is not judged: it may lie elsewhere.
    """
    found: list[Violation] = []
    parsed: dict[str, Playlist] = {}
    for name, text in playlists.items():
        try:
            parsed[name] = parse_playlist(text)
        except PlaylistError as error:
            found.append(Violation(name, "4.1", error.message))
    for name, playlist in parsed.items():
        rules = _MULTIVARIANT_RULES if playlist.is_multivariant else _MEDIA_RULES
        try:
            for rule in (*_COMMON_RULES, *rules):
                found += [Violation(name, clause, message) for clause, message in rule(playlist)]
            if playlist.is_multivariant:
                together = _together(playlist, parsed)
                found += [Violation(name, clause, message) for clause, message in together]
        except PlaylistError as error:
            found.append(Violation(name, "4.2", error.message))
    return found


def validate_update(before: str, after: str) -> list[Violation]:
    """Judge a reloaded live playlist against the one before: it may only have grown (6.2.1)."""
    old = before.rstrip("\n").split("\n")
    new = after.rstrip("\n").split("\n")
    if new[: len(old)] == old and (old[-1] != "#EXT-X-ENDLIST" or new == old):
        return []
    at = next(
        (at for at, pair in enumerate(zip(old, new, strict=False), 1) if pair[0] != pair[1]), len(new) + 1
    )
    return [Violation("", "6.2.1", f"line {at} changed: a live playlist may only grow")]


def _once(playlist: Playlist) -> Iterator[Finding]:
    for name in _ONCE:
        count = sum(1 for _ in playlist.tags(name))
        if count > 1:
            yield "4.3", f"{name} stands {count} times"


def _version(playlist: Playlist) -> Iterator[Finding]:
    value = playlist.value("EXT-X-VERSION") or "1"
    if not _INTEGER.match(value):
        yield "4.3.1.2", f"the version is {value!r}"
        return
    needed = 1
    if any("." in tag.value.partition(",")[0] for tag in playlist.tags("EXTINF")):
        needed = 3
    if any(playlist.tags("EXT-X-BYTERANGE")):
        needed = 4
    if any(playlist.tags("EXT-X-MAP")):
        needed = 6
    if int(value) < needed:
        yield "7", f"version {value} is said, {needed} is needed"


def _segments(playlist: Playlist) -> Iterator[Finding]:
    if any(tag.name in _MULTIVARIANT_TAGS for tag in playlist.tags()):
        yield "4.1", "segments and variants in one playlist"
    for entry in playlist.entries:
        extinf = [tag for tag in entry.tags if tag.name == "EXTINF"]
        if len(extinf) != 1 or not _EXTINF.match(extinf[0].value):
            yield "4.3.2.1", f"line {entry.line} has no single sound EXTINF"
    for tag in playlist.trailing:
        if tag.name in _SEGMENT_TAGS:
            yield "4.3.2", f"{tag.name} in line {tag.line} applies to no segment"


def _target(playlist: Playlist) -> Iterator[Finding]:
    value = playlist.value("EXT-X-TARGETDURATION")
    if value is None or not _INTEGER.match(value):
        yield "4.3.3.1", "the target duration is missing"
        return
    for entry in playlist.entries:
        duration = duration_of(entry)
        # "rounded to the nearest integer": half rounds up
        if duration + Fraction(1, 2) >= int(value) + 1:
            yield "4.3.3.1", f"line {entry.line} lasts {float(duration)} s, announced are {value}"


def duration_of(entry: Entry) -> Fraction:
    """The seconds that EXTINF says; 0 where it says none."""
    tag = entry.tag("EXTINF")
    match = _EXTINF.match(tag.value) if tag else None
    return Fraction(match[1]) if match else Fraction(0)


def _first_lines(playlist: Playlist) -> Iterator[Finding]:
    """4.3.3.2 and 4.3.3.3: the counters stand before the first segment."""
    first = playlist.entries[0].line if playlist.entries else 1 << 60
    for name, clause in (("EXT-X-MEDIA-SEQUENCE", "4.3.3.2"), ("EXT-X-DISCONTINUITY-SEQUENCE", "4.3.3.3")):
        for tag in playlist.tags(name):
            if tag.line > first or not _INTEGER.match(tag.value):
                yield clause, f"{name} in line {tag.line} comes late or is no number"


def _kind(playlist: Playlist) -> Iterator[Finding]:
    value = playlist.value("EXT-X-PLAYLIST-TYPE")
    ended = playlist.value("EXT-X-ENDLIST") is not None
    if value not in {None, "EVENT", "VOD"}:
        yield "4.3.3.5", f"a playlist of type {value!r}"
    if value == "VOD" and not ended:
        yield "4.3.3.5", "a VOD playlist must not change, and yet it has not ended"


def _maps(playlist: Playlist) -> Iterator[Finding]:
    uri = ""
    for entry in playlist.entries:
        tag = entry.tag("EXT-X-MAP")
        if tag is None:
            continue
        now = attributes(tag).get("URI", "")
        if not re.fullmatch(r'"[^"]+"', now):
            yield "4.3.2.5", f"EXT-X-MAP in line {tag.line} has no quoted URI"
        breaks = entry.tag("EXT-X-DISCONTINUITY")
        if uri and now != uri and breaks is None:
            yield "4.3.2.3", f"the init changes in line {tag.line} without a discontinuity"
        if breaks is not None and breaks.line > tag.line:
            yield "4.3.2.3", f"the discontinuity in line {breaks.line} stands behind its map"
        uri = now
    first = playlist.entries[0] if playlist.entries else None
    if uri and first is not None and first.tag("EXT-X-MAP") is None:
        yield "4.3.2.5", "the first segment has no init"


def _variants(playlist: Playlist) -> Iterator[Finding]:
    if any(tag.name in _SEGMENT_TAGS | _MEDIA_TAGS for tag in playlist.tags()):
        yield "4.1", "segments and variants in one playlist"
    groups = {(unquoted(one.get("GROUP-ID")), one.get("TYPE")) for one in _media(playlist)}
    for entry in playlist.entries:
        tag = entry.tag("EXT-X-STREAM-INF")
        if tag is None:
            yield "4.3.4.2", f"line {entry.line} has no EXT-X-STREAM-INF"
            continue
        if tag.line != entry.line - 1:
            yield "4.3.4.2", f"the URI of line {tag.line} does not follow it"
        yield from _variant(tag, groups)
    for tag in playlist.trailing:
        if tag.name == "EXT-X-STREAM-INF":
            yield "4.3.4.2", f"line {tag.line} has no URI"


def _variant(tag: Tag, groups: set[tuple[str, str | None]]) -> Iterator[Finding]:
    found = attributes(tag)
    clause = "4.3.4.2"
    bandwidth, average = found.get("BANDWIDTH", ""), found.get("AVERAGE-BANDWIDTH", "0")
    if not _INTEGER.match(bandwidth) or not _INTEGER.match(average) or int(average) > int(bandwidth):
        yield clause, f"line {tag.line}: bandwidth {bandwidth!r}, on average {average!r}"
    if not re.fullmatch(r'"[\w.-]+(,[\w.-]+)*"', found.get("CODECS", "")):
        yield clause, f"line {tag.line} should name its codecs"
    if "RESOLUTION" in found and not re.fullmatch(r"\d+x\d+", found["RESOLUTION"]):
        yield clause, f"line {tag.line}: a resolution of {found['RESOLUTION']}"
    if "FRAME-RATE" in found and not re.fullmatch(r"\d+(\.\d{1,3})?", found["FRAME-RATE"]):
        yield clause, f"line {tag.line}: a frame rate of {found['FRAME-RATE']}"
    if "SUBTITLES" in found and (unquoted(found["SUBTITLES"]), "SUBTITLES") not in groups:
        yield clause, f"line {tag.line}: no subtitle group {found['SUBTITLES']}"
    if "AUDIO" in found and (unquoted(found["AUDIO"]), "AUDIO") not in groups:
        yield clause, f"line {tag.line}: no sound group {found['AUDIO']}"


def _media(playlist: Playlist) -> list[dict[str, str]]:
    return [attributes(tag) for tag in playlist.tags("EXT-X-MEDIA")]


def _renditions(playlist: Playlist) -> Iterator[Finding]:
    seen: set[tuple[str, ...]] = set()
    defaults: set[tuple[str, ...]] = set()
    for one in _media(playlist):
        group = (one.get("TYPE", ""), one.get("GROUP-ID", ""))
        name = (*group, one.get("NAME", ""))
        if (
            one.get("TYPE") not in {"AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"}
            or '""' in name
            or "" in name
        ):
            yield "4.3.4.1", f"a rendition without type, group or name: {one}"
        if one.get("TYPE") == "SUBTITLES" and not unquoted(one.get("URI")):
            yield "4.3.4.1", f"subtitles without a playlist: {one}"
        if one.get("TYPE") != "SUBTITLES" and "FORCED" in one:
            yield "4.3.4.1", f"a rendition that is no subtitles is forced: {one}"
        if "LANGUAGE" in one and not is_tag(unquoted(one["LANGUAGE"])):
            yield "4.3.4.1", f"a language that is no tag of RFC 5646: {one['LANGUAGE']}"
        if name in seen:
            yield "4.3.4.1.1", f"two renditions {name[2]} in one group"
        if one.get("DEFAULT") == "YES":
            if group in defaults:
                yield "4.3.4.1.1", f"two defaults in the group {group[1]}"
            if one.get("AUTOSELECT", "YES") != "YES":
                yield "4.3.4.1", "a default that must not be selected"
            defaults.add(group)
        seen.add(name)


def _together(playlist: Playlist, parsed: Mapping[str, Playlist]) -> Iterator[Finding]:
    """6.2.4: what the variants and renditions of one film must have in common."""
    uris = [entry.uri for entry in playlist.entries]
    uris += [unquoted(one["URI"]) for one in _media(playlist) if "URI" in one]
    media = {uri: parsed[uri] for uri in uris if uri in parsed}
    facts: tuple[tuple[str, Callable[[Playlist], object]], ...] = (
        ("target durations", lambda one: one.value("EXT-X-TARGETDURATION")),
        ("types", lambda one: one.value("EXT-X-PLAYLIST-TYPE")),
        ("numbers of discontinuities", lambda one: sum(1 for _ in one.tags("EXT-X-DISCONTINUITY"))),
    )
    texts = {unquoted(one.get("URI")) for one in _media(playlist) if one.get("TYPE") == "SUBTITLES"}
    # Finished subtitles may have longer segments than what they are shown over.
    free = [media[uri] for uri in texts if uri in media and media[uri].value("EXT-X-PLAYLIST-TYPE") == "VOD"]
    ended = [one for one in media.values() if one.value("EXT-X-ENDLIST") is not None]
    for what, fact in facts:
        # While the playlists grow, one may be a segment ahead and so a discontinuity.
        judged = ended if what.startswith("numbers") else list(media.values())
        if what == "target durations":
            judged = [one for one in judged if one not in free]
        if len({fact(one) for one in judged}) > 1:
            yield "6.2.4", f"different {what}"
    lengths = [sum((duration_of(entry) for entry in one.entries), Fraction(0)) for one in ended]
    timed = [one for one in ended if one not in free] or ended
    target = max((int(one.value("EXT-X-TARGETDURATION") or 0) for one in timed), default=0)
    if lengths and max(lengths) - min(lengths) > target:
        yield "6.2.4", "one rendition is longer than another by more than a target duration"


_COMMON_RULES = (_once, _version)
_MEDIA_RULES = (_segments, _target, _first_lines, _kind, _maps)
_MULTIVARIANT_RULES = (_variants, _renditions)
