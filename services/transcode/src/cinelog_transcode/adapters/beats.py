"""Heartbeats on the log."""

import msgspec
from cinelog_common.announcer import Sender
from cinelog_common.contract import topics
from cinelog_common.contract.status import WorkerBeat


class LogHeartbeats:
    """Appends heartbeats to `cinelog.workers`, keyed by worker; the topic keeps the latest of each."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def beat(self, beat: WorkerBeat) -> None:
        """Append a heartbeat.

        Raises:
            TransientError: The log did not acknowledge in time.
        """
        await self._sender.send(topics.WORKERS, msgspec.json.encode(beat), key=beat.worker.encode())

    async def gone(self, worker: str) -> None:
        """Append a tombstone.

        Raises:
            TransientError: The log did not acknowledge in time.
        """
        await self._sender.send(topics.WORKERS, None, key=worker.encode())
