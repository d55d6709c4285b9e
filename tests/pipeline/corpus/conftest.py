"""All kinds of sources, run once: what shares that lies in this folder, and in one test process."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from cinelog_testkit.corpus.results import Corpus
from cinelog_testkit.corpus.running import run_jobs
from cinelog_testkit.corpus.sources import LONG
from cinelog_testkit.corpus.wishes import WISHES, wish
from loguru import logger

CORPUS_WITHIN_S = 500.0


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
