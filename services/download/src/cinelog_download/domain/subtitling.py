"""Which subtitles are wanted: all, none, or those in some languages. Pure."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from cinelog_download.domain.demuxing import TextFile
from cinelog_download.domain.languages import three_letters

T = TypeVar("T")

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


def best_versions(
    found: Iterable[T], language: Callable[[T], str], form: Callable[[T], str], wanted: str
) -> list[T]:
    """Return one version for each wanted language, in the order in which they are offered."""
    best: dict[str, T] = {}
    for each in found:
        name = language(each)
        if form(each) not in FORMATS or not is_wanted(name, wanted):
            continue
        held = best.get(name)
        if held is None or FORMATS.index(form(each)) < FORMATS.index(form(held)):
            best[name] = each
    return list(best.values())


def none_of(wanted: str, found: int) -> tuple[str, ...]:
    """Return a warning if languages were asked for and there are none of them."""
    if found or wanted in {"all", "none"}:
        return ()
    return (f"The source has no text subtitles in {wanted}.",)


def text_file(language: str, form: str, path: Path) -> TextFile:
    """Return what the demuxer is told of a file in `language`, a tag such as `pt-BR`."""
    primary = three_letters(language)
    plain = language.isascii() and language.isalpha() and primary != "und"
    return TextFile(path=str(path), form=form, language=primary, title="" if plain else language)
