"""Which subtitles are wanted: all, none, or those in some languages. Pure."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, TypeVar

from cinelog_common.languages import three_letters

from cinelog_download.domain.demuxing import TextFile


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


T = TypeVar("T", bound=Offered)

_LONGEST_TITLE = 200
FORMATS = ("vtt", "srt", "ass")
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


def text_file(offered: Offered, path: Path) -> TextFile:
    """Return what the demuxer is told of a file at `path`."""
    tag = offered.language
    primary = three_letters(tag)
    plain = tag == "und" or (tag.isascii() and tag.isalpha() and primary != "und")
    title = "".join(char for char in offered.title if char.isprintable())[:_LONGEST_TITLE]
    return TextFile(
        path=str(path), form=offered.format, language=primary, title=title or ("" if plain else tag)
    )
