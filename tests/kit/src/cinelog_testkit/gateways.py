"""The gateway as a client sees it: jobs over HTTP."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from cinelog_testkit.waiting import wait_until

ENDED = frozenset({"completed", "failed", "cancelled"})
_TIMEOUT_S = 30.0


class RefusedError(Exception):
    """The gateway answered with an error.

    Attributes:
        status: The HTTP status.
        problem: The body.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status}: {problem}")
        self.status = status
        self.problem = problem


class GatewayClient:
    """Talks to the gateway at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ready(self) -> bool:
        """Tell whether the gateway can do its work."""
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=_TIMEOUT_S):
                return True
        except OSError:
            return False

    def submit(self, source: str, *, key: str | None = None, **options: Any) -> str:
        """Submit a source and return the job's id."""
        headers = {"Idempotency-Key": key} if key else {}
        return str(self._call("POST", "/api/v1/jobs", {"source": source, **options}, headers)["job"])

    def show(self, job: str) -> dict[str, Any]:
        """Return the job's snapshot.

        Raises:
            RefusedError: There is no such job.
        """
        return self._call("GET", f"/api/v1/jobs/{job}")

    def jobs(self) -> list[dict[str, Any]]:
        """Return the newest jobs."""
        found: list[dict[str, Any]] = self._call("GET", "/api/v1/jobs?limit=1000")["jobs"]
        return found

    def cancel(self, job: str) -> None:
        """Ask for the job's end."""
        self._call("POST", f"/api/v1/jobs/{job}/cancel")

    def file(self, job: str, path: str) -> bytes:
        """Return a file of the job's current run.

        Raises:
            RefusedError: There is no such file.
        """
        return self._bytes("GET", f"/api/v1/jobs/{job}/files/{path}", None, {})

    def await_job(self, job: str, *, deadline_s: float = 90.0) -> dict[str, Any]:
        """Wait for the job's end and return its last snapshot."""
        return self.await_snapshot(
            job, lambda status: status["state"] in ENDED, deadline_s=deadline_s, what="the end"
        )

    def await_snapshot(self, job: str, condition: Any, *, deadline_s: float, what: str) -> dict[str, Any]:
        """Wait until the job's snapshot meets `condition`; a gateway that is away is waited for.

        Raises:
            TimeoutError: It did not, within `deadline_s`.
        """
        latest: dict[str, Any] = {}

        def met() -> bool:
            try:
                latest.update(self.show(job))
            except (OSError, RefusedError):
                return False
            return bool(condition(latest))

        try:
            wait_until(met, deadline_s=deadline_s, what=what)
        except TimeoutError as late:
            raise TimeoutError(f"{late}; the job is {latest}") from None
        return latest

    def download(self, job: str, kind: str, path: Path) -> Path:
        """Store the output of this kind under `path`."""
        (url,) = (output["url"] for output in self.show(job)["outputs"] if output["kind"] == kind)
        path.write_bytes(self._bytes("GET", url, None, {}))
        return path

    def _call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        document = json.loads(self._bytes(method, path, body, headers or {}))
        assert isinstance(document, dict)
        return document

    def _bytes(self, method: str, path: str, body: Any, headers: dict[str, str]) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                text = refusal.read()
            try:
                problem = json.loads(text)
            except ValueError:
                problem = {"body": text.decode(errors="replace")}
            raise RefusedError(refusal.code, problem) from None
