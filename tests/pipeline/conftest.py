"""One source in, playable video out, and a way to say that both show the same."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cinelog_testkit.commands import Finished
from cinelog_testkit.converting import converted
from cinelog_testkit.viewing import Viewing

Convert = Callable[..., Finished]
CLICK_TOLERANCE_S = 0.003


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where results go; not there yet."""
    return tmp_path / "out"


@pytest.fixture
def convert(out: Path) -> Convert:
    """Run the command to its end, as quickly as it encodes; it must succeed."""

    def call(source: Path | str, *words: str, quick: bool = True) -> Finished:
        return converted(source, out, *words, quick=quick)

    return call


Same = Callable[..., None]


@pytest.fixture
def same_film() -> Same:
    """Assert that every picture of the source is there once, in order, at its time, and each click too."""

    def check(result: Viewing, source: Viewing, *, tick_s: float = 0.0) -> None:
        assert result.numbers == source.numbers
        late = [float(shown - wanted) for shown, wanted in zip(result.times, source.times, strict=True)]
        assert max(map(abs, late), default=0.0) <= tick_s
        start = float(source.pictures[0].at) if source.pictures else 0.0
        clicks = [second - start for second in source.clicks_s]
        assert result.clicks_s == pytest.approx(clicks, abs=CLICK_TOLERANCE_S)

    return check
