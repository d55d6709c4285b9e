"""A worker process for the tests that kill it: works through a topic and journals what it does.

Records say what to do: `work` sleeps a little, `die` ends the process as a defect would, `long` waits
for ever.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from cinelog_common.kafka.queue import QueueSettings, WorkQueue
from cinelog_common.kafka.records import Record
from cinelog_common.kafka.slots import Priority
from cinelog_common.kafka.work import Lease


class Journal:
    """Lines that survive the writer's sudden death: appended in one write, read by the test."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def write(self, *words: object) -> None:
        self._file.write((" ".join(str(word) for word in words) + "\n").encode())


class Worker:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def handle(self, record: Record, lease: Lease) -> None:
        what, _, name = (record.value or b"").decode().partition(":")
        self._journal.write("begun", name, lease.starts)
        try:
            match what:
                case "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "long":
                    await asyncio.Event().wait()
                case _:
                    await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            self._journal.write("ended", name, lease.ending)
            raise
        self._journal.write("done", name)

    async def on_error(self, record: Record, error: Exception) -> None:
        self._journal.write("failed", record.offset, repr(error))

    async def on_poison(self, record: Record, starts: int) -> None:
        self._journal.write("poison", (record.value or b"").decode().partition(":")[2], starts)


async def main(bootstrap: str, group: str, topic: str, journal: str) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    worker = Worker(Journal(Path(journal)))
    settings = QueueSettings(
        bootstrap=bootstrap,
        group=group,
        topics={topic: Priority.NORMAL},
        slots=2,
        session_s=2.0,
        heartbeat_s=0.2,
    )
    queue = WorkQueue(settings, worker.handle, hooks=worker)
    await queue.start()
    await stopping.wait()
    await queue.stop(0.2)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
