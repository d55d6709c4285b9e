"""What became of the corpus: the end of every job and the files that it made."""

from pathlib import Path

from cinelog_common.contract.status import JobStatus

from cinelog_testkit.corpus.store import film
from cinelog_testkit.corpus.wishes import WISHES


class Corpus:
    """How every job that the chosen tests need has ended."""

    def __init__(self, out: Path, ended: dict[str, JobStatus], log: list[str]) -> None:
        self._out = out
        self._ended = ended
        self.log = log
        """What was warned of."""

    def status(self, name: str) -> JobStatus:
        """Return the last snapshot of a job."""
        return self._ended[name]

    def source(self, name: str) -> Path:
        """Return the film that a job was about."""
        return film(WISHES[name][0])

    def result(self, name: str, *kinds: str) -> Path:
        """Return the output of a job that must have completed."""
        status = self._ended[name]
        assert status.error is None, status.error
        assert status.state == "completed"
        [path] = [output.path for output in status.outputs if output.kind in (kinds or ("mp4", "webm"))]
        assert path is not None
        return Path(path)

    def files(self, name: str) -> list[Path]:
        """Return all that lies where a job delivers."""
        return [path for path in (self._out / name).rglob("*") if path.is_file()]
