"""Jobs of a film of some megabytes that comes in slowly, so that it can be watched while it grows."""

from typing import Any

from cinelog_download.testing import Behaviour, Origin

from cinelog_testkit.serving import Serve

SLOW_BPS = 700_000
WAY = "/film.mp4"
OPTIONS: dict[str, Any] = {"preset": "ultrafast", "segment_s": 1.0}


class Growing:
    """A job whose first segments can be played and whose last ones have not arrived."""

    def __init__(self, serve: Serve, origin: Origin, film: bytes) -> None:
        self.gateway = serve.gateway
        self._origin, self._film = origin, film
        url = origin.serve(WAY, film, Behaviour(rate_bps=SLOW_BPS))
        self.job = self.gateway.submit(url, **OPTIONS)
        self.gateway.await_snapshot(
            self.job, lambda status: status["playable"], deadline_s=60, what="playable"
        )

    def finish(self) -> dict[str, Any]:
        """Let the rest arrive at once, and return the last snapshot."""
        self._origin.serve(WAY, self._film)
        return self.gateway.await_job(self.job)
