"""What is broken: refused in one clear sentence, or mended and held against the source's own whole decode."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from cinelog_common.errors import Category
from cinelog_testkit.corpus.damages import HOSTILE
from cinelog_testkit.corpus.results import Corpus
from cinelog_testkit.corpus.viewing import pictures_of
from cinelog_testkit.corpus.wishes import WISHES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

REFUSED: dict[str, tuple[Category, str]] = {
    "truncated.mp4": (Category.DAMAGED, "cut off after"),
    "truncated-index.mp4": (Category.DAMAGED, "cut off after"),
    "truncated-fragments.mp4": (Category.DAMAGED, "bytes are missing"),
    "truncated.mkv": (Category.DAMAGED, "cut off after"),
    "truncated.avi": (Category.DAMAGED, "cut off after"),
    "flipped.mp4": (Category.DAMAGED, " s to "),
    "flipped.mkv": (Category.DAMAGED, " s to "),
    "flipped.avi": (Category.DAMAGED, " s to "),
    "flipped-much.mp4": (Category.DAMAGED, " s to "),
    "lying-sizes.mp4": (Category.DAMAGED, "can be decoded"),
    "lying-count.mp4": (Category.DAMAGED, "index"),
    "huge-picture.avi": (Category.LIMIT_EXCEEDED, "65500 × 65500 pixels a picture"),
    "no-durations.mp4": (Category.DAMAGED, "of 4.0 s"),
    "page-called.mp4": (Category.NOT_MEDIA, "no video or sound"),
    "empty.mp4": (Category.NOT_MEDIA, "zero bytes"),
    "zeros.mkv": (Category.NOT_MEDIA, "no video or sound"),
    "text.txt": (Category.NOT_MEDIA, "no video or sound"),
}
SALVAGED = tuple(name for name in WISHES if name.endswith(" salvaged"))
CUT_OFF = tuple(name for name in SALVAGED if name.startswith("truncated"))
MENDED: dict[str, str] = {
    "truncated.ts": "middle of a packet",
    "flipped.ts": "damaged|1 time(s) in the source were far off",
    "backwards.ts": "The times of 25 picture(s) ran backwards",
    "leaping.mkv": "The times of 1 picture(s) ran backwards",
    "overlapping.ts": "2 picture(s) with the time of another one",
    "zero-durations.mkv": "11 picture(s) with the time of another one",
    "lying-matroska.mkv": "",
    "lying-entry.mp4": "",
    "missing-stamps.ts": "",
    "no-times.h264": "",
    "lying-duration.mp4": "",
    "lying-size-of-picture.mp4": "",
    "matroska-called.mp4": "",
    "mp4-called.webm": "",
}


def test_every_broken_kind_has_its_end() -> None:
    assert {*REFUSED, *MENDED} == set(HOSTILE)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_broken_is_refused_in_one_clear_sentence(corpus: Corpus, name: str) -> None:
    category, words = REFUSED[name]

    status = corpus.status(name)

    assert status.state == "failed"
    assert status.error is not None
    assert status.error.category == category
    assert words in status.error.message
    assert status.error.action
    assert "Error" not in status.error.message
    assert corpus.files(name) == []


MISTIMED = frozenset({"missing-stamps.ts", "no-times.h264", "backwards.ts", "leaping.mkv"})
"""Of whose pictures some or all have no time, or another one's: they come at the rate of the film."""
TICK_S = 0.001
"""Matroska counts milliseconds."""


def presented(path: Path) -> list[tuple[int | None, Fraction]]:
    """Return each picture that the source's own decode can show, with its time from the first one.

    Of pictures with one time only the first can be shown.
    """
    shown: list[tuple[int | None, Fraction]] = []
    known: set[Fraction] = set()
    pictures = pictures_of(path)
    start = pictures[0].at
    for picture in pictures:
        if picture.at in known:
            continue
        known.add(picture.at)
        shown.append((picture.number, picture.at - start))
    return shown


@pytest.mark.parametrize("name", [name for name in MENDED if name not in MISTIMED])
def test_what_is_mended_shows_exactly_what_the_sources_own_decode_can_show(corpus: Corpus, name: str) -> None:
    wanted = presented(corpus.source(name))

    result = pictures_of(corpus.result(name))

    assert [picture.number for picture in result] == [number for number, _ in wanted]
    times = [picture.at for picture in result]
    assert [float(at) for at in times] == pytest.approx([float(at) for _, at in wanted], abs=TICK_S)
    assert all(earlier < later for earlier, later in pairwise(times))


@pytest.mark.parametrize("name", CUT_OFF)
def test_what_is_cut_off_shows_all_that_the_sources_own_decode_can_show(corpus: Corpus, name: str) -> None:
    wanted = presented(corpus.source(name))

    result = pictures_of(corpus.result(name))

    assert [(picture.number, picture.at) for picture in result] == wanted


@pytest.mark.parametrize("name", sorted(MISTIMED))
def test_pictures_without_right_times_are_all_shown_at_the_rate_of_the_film(
    corpus: Corpus, name: str
) -> None:
    result = pictures_of(corpus.result(name))

    assert [picture.number for picture in result] == list(range(96))
    steps = [float(later.at - earlier.at) for earlier, later in pairwise(result)]
    # A quarter of a picture: what the first time that there is differs from the ones that were guessed.
    assert steps == pytest.approx([1 / 24] * 95, abs=0.25 / 24)


@pytest.mark.parametrize("name", MENDED)
def test_what_is_mended_says_what_was_wrong_and_nothing_else(corpus: Corpus, name: str) -> None:
    said = corpus.status(name).warnings

    words = MENDED[name].split("|") if MENDED[name] else []
    assert all(any(word in warning for word in words) for warning in said)
    assert all(any(word in warning for warning in said) for word in words)


@pytest.mark.parametrize("name", SALVAGED)
def test_what_can_be_shown_of_it_is_delivered_where_that_was_asked_for(corpus: Corpus, name: str) -> None:
    result = pictures_of(corpus.result(name))

    assert [picture.number for picture in result][:40] == list(range(40))
    said = corpus.status(name).warnings
    assert any(word in warning for warning in said for word in ("damaged", "breaks off")), said
    assert name.startswith("truncated") or result[-1].number == 95


@pytest.mark.parametrize("name", HOSTILE)
def test_no_source_leaves_a_traceback(corpus: Corpus, name: str) -> None:
    assert corpus.status(name).state in {"completed", "failed"}
    assert not [line for line in corpus.log if "Traceback" in line]
