"""What tests share that span services."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cinelog_download.testing import Origin
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.hosting import hosted

EXAMPLE = Path(__file__).parents[1] / "examples" / "big-buck-bunny.mp4"


@pytest.fixture(scope="session")
def example() -> Path:
    """The clip that the repository ships."""
    return EXAMPLE


@pytest.fixture
def origin() -> Iterator[Origin]:
    """A web server with faults, empty at first."""
    with hosted(Origin()) as server:
        yield server


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of numbered pictures with clicks, a keyframe a second."""
    return make_film(tmp_path_factory.mktemp("film") / "numbered.mp4", Film(frames=100))
