"""Which subtitles are wanted: all, none, or those in some languages. Pure."""

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from cinelog_common.languages import three_letters

from cinelog_download.domain.dashtexts import LostText, Stretch
from cinelog_download.domain.demuxing import TextFile, TextPart


class Offered(Protocol):
    """A subtitle file beside a source."""

    @property
    def language(self) -> str:
        """A tag such as `pt-BR`."""
        ...

    @property
    def title(self) -> str:
        """What it is called, if it is."""
        ...

    @property
    def format(self) -> str:
        """What its name would end with."""
        ...


class Fetched(Offered, Protocol):
    """One whose files are there."""

    @property
    def forced(self) -> bool:
        """Whether it is shown to those, too, who asked for no subtitles."""
        ...

    @property
    def hearing_impaired(self) -> bool:
        """Whether it tells of sounds, too."""
        ...

    @property
    def stretches(self) -> Sequence[Stretch]:
        """What it comes in, if not in one file; each is a file as `part_of` has it."""
        ...


T = TypeVar("T", bound=Offered)

_LONGEST_TITLE = 200
_MOST_NAMED = 20
FORMATS = ("vtt", "srt", "ass", "mp4")
"""Of files beside a source, the best first."""


def is_wanted(language: str, wanted: str) -> bool:
    """Whether a track in `language` is among the `wanted`; a wanted `pt` includes `pt-BR`."""
    if wanted in {"all", "none"}:
        return wanted == "all"
    own = language.lower().replace("_", "-")
    for each in wanted.lower().split(","):
        if "-" in each:
            if own == each or own.startswith(f"{each}-"):
                return True
        elif three_letters(own) == three_letters(each) != "und" or own == each:
            return True
    return False


def best_versions(found: Iterable[T], wanted: str) -> list[T]:
    """Return one version for each wanted language and title, in the order in which they are offered."""
    best: dict[tuple[str, str], T] = {}
    for each in found:
        if each.format not in FORMATS or not is_wanted(each.language, wanted):
            continue
        held = best.get((each.language, each.title))
        if held is None or FORMATS.index(each.format) < FORMATS.index(held.format):
            best[each.language, each.title] = each
    return list(best.values())


def none_of(wanted: str, found: int) -> tuple[str, ...]:
    """Return a warning if languages were asked for and there are none of them."""
    if found or wanted in {"all", "none"}:
        return ()
    return (f"The source has no text subtitles in {wanted}.",)


def left_out(lost: Iterable[LostText], wanted: str) -> tuple[str, ...]:
    """Return a warning for each reason why wanted tracks are left out, never very many."""
    reasons: dict[tuple[str, bool], dict[str, None]] = {}
    for each in lost:
        if is_wanted(each.language, wanted):
            reasons.setdefault((each.why, each.partly), {})[each.language] = None
    warnings = [
        f"The subtitles in {_listed(languages)} are left out{' of a part of the film' * partly}: {why}"
        for (why, partly), languages in islice(reasons.items(), _MOST_NAMED)
    ]
    if len(reasons) > _MOST_NAMED:
        warnings.append(f"Further subtitles are left out, for {len(reasons) - _MOST_NAMED} other reasons.")
    return tuple(warnings)


def _listed(languages: Collection[str]) -> str:
    more = len(languages) - _MOST_NAMED
    return ", ".join(islice(languages, _MOST_NAMED)) + (f" and {more} more" if more > 0 else "")


def part_of(path: Path, number: int) -> Path:
    """Return where stretch `number` of the track at `path` is."""
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def text_file(offered: Fetched, path: Path) -> TextFile:
    """Return what the demuxer is told of a file at `path`."""
    tag = offered.language
    primary = three_letters(tag)
    plain = tag == "und" or (tag.isascii() and tag.isalpha() and primary != "und")
    title = "".join(char for char in offered.title if char.isprintable())[:_LONGEST_TITLE]
    return TextFile(
        path=str(path),
        form=offered.format,
        language=primary,
        title=title or ("" if plain else tag),
        forced=offered.forced,
        hearing_impaired=offered.hearing_impaired,
        parts=tuple(
            TextPart(
                path=str(part_of(path, number)),
                origin_s=each.origin_s,
                begins_s=each.begins_s,
                lasts_s=each.lasts_s,
            )
            for number, each in enumerate(offered.stretches)
        ),
    )
