"""One deployment on real servers for the whole folder, and films that arrive slowly."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cinelog_download.testing import Behaviour, Origin
from cinelog_testkit.deployments import Deployment, Servers, deployed
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.servers import kafka_server, mongo_server, s3_server
from cinelog_testkit.viewing import Viewing, view

LARGE = Film(frames=200, size=(320, 180), noise=True, options={"preset": "ultrafast", "qp": "8"})
SLOW_BPS = 1_100_000
QUICK = {"preset": "ultrafast", "segment_s": 1.0}


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Servers of this folder's own: topics have fixed names, and tests take each of them away."""
    with kafka_server(own=True) as kafka, mongo_server(own=True) as mongo, s3_server(own=True) as s3:
        yield Servers(kafka=kafka, mongo=mongo, s3=s3)


@pytest.fixture(scope="session")
def deployment(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The services as processes."""
    with deployed(servers, tmp_path_factory.mktemp("deployment")) as running:
        yield running


class SlowFilm:
    """A film that takes long enough to arrive for something to go wrong meanwhile."""

    def __init__(self, path: Path, origin: Origin) -> None:
        self.path = path
        self._origin = origin
        self._way = f"/{path.name}"
        self.url = origin.serve(self._way, path.read_bytes(), Behaviour(rate_bps=SLOW_BPS))

    @property
    def sent(self) -> int:
        """Bytes that were sent of it."""
        return self._origin.sent(self._way)

    def hurry(self) -> None:
        """Let what is asked for from now on arrive at once."""
        self._origin.serve(self._way, self.path.read_bytes())


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds in several megabytes, with a keyframe a second."""
    return make_film(tmp_path_factory.mktemp("large") / "large.mp4", LARGE)


@pytest.fixture(scope="session")
def large_viewing(large: Path) -> Viewing:
    """What it shows."""
    return view(large)


@pytest.fixture
def slow_film(large: Path, origin: Origin) -> SlowFilm:
    return SlowFilm(large, origin)


@pytest.fixture
def whole(deployment: Deployment, large_viewing: Viewing, tmp_path: Path) -> Any:
    """Assert that a job has come to exactly one end, with every picture of the large film."""

    def check(job: str) -> None:
        status = deployment.gateway.show(job)
        assert status["state"] == "completed", status
        viewing = view(deployment.gateway.download(job, "mp4", tmp_path / "result.mp4"))
        assert viewing.numbers == large_viewing.numbers
        assert viewing.times == large_viewing.times
        assert viewing.clicks_s == pytest.approx(large_viewing.clicks_s, abs=0.003)
        manifests = [key for key in deployment.objects(f"jobs/{job}/") if key.endswith("manifest.json")]
        assert manifests == [f"jobs/{job}/1/output/manifest.json"]
        ends = {event.get("run", 1) for event in deployment.events(job, "job.completed")}
        assert ends == {1}
        assert deployment.events(job, "job.failed") == []
        units = {event.get("n", 0) for event in deployment.events(job, "segment.encoded")}
        assert units == set(range(len(units)))

    return check
