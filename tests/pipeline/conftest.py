"""One source in, playable video out, and a way to say that both show the same."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cinelog_testkit.commands import Finished
from cinelog_testkit.converting import converted
from cinelog_testkit.corpus.results import Corpus
from cinelog_testkit.corpus.running import run_jobs
from cinelog_testkit.corpus.sources import LONG
from cinelog_testkit.corpus.wishes import WISHES, wish
from cinelog_testkit.viewing import Viewing
from loguru import logger

Convert = Callable[..., Finished]
CLICK_TOLERANCE_S = 0.003
CORPUS_WITHIN_S = 500.0


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


@pytest.fixture(scope="session")
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    """Run what the chosen tests need, all of it in one node; what takes longest begins first."""
    chosen = {
        item.callspec.params["name"]: None
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and "corpus" in item.fixturenames
        and hasattr(item, "callspec")
        and "name" in item.callspec.params
    }
    folder = tmp_path_factory.mktemp("corpus")
    log: list[str] = []
    sink = logger.add(log.append, level="WARNING", format="{message}", backtrace=False)
    try:
        names = sorted(filter(WISHES.__contains__, chosen), key=lambda name: name not in LONG)
        wishes = {name: wish(name, folder / "out") for name in names}
        ended = run_jobs(wishes, folder / "data", within_s=CORPUS_WITHIN_S)
        yield Corpus(folder / "out", ended, log)
    finally:
        # Whoever configures the log anew removes all of its sinks.
        with suppress(ValueError):
            logger.remove(sink)
