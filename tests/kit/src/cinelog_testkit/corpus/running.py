"""Many jobs through one standalone node, in this process."""

import asyncio
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

import msgspec
from cinelog.settings import StandaloneSettings
from cinelog.standalone import Standalone
from cinelog.submitting import submit
from cinelog_common.contract import topics
from cinelog_common.contract.status import TERMINAL, JobStatus
from cinelog_common.contract.values import Options, Source
from cinelog_common.ids import job_id_of_key
from cinelog_common.kafka.compacted import CompactedReader, ReaderSettings
from cinelog_common.kafka.records import Record

_AT_ONCE = 16
"""Jobs in the log at a time: the in-process broker keeps 5 MiB a partition."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """One job: a source and what to make of it."""

    source: str
    options: Options


def run_jobs(
    wishes: Mapping[str, Wish], data: Path, *, within_s: float, slots: int = 4
) -> dict[str, JobStatus]:
    """Run every job and return how each ended, by the wishes' names.

    Small films wait for processes to start more than they work: more slots than processors keep these busy.

    Raises:
        TimeoutError: They took longer than `within_s` seconds; names those that did not end.
    """
    return asyncio.run(_run(wishes, data, within_s=within_s, slots=slots))


class _Ends:
    """Waits for the ends of jobs, and lets the next one begin at each."""

    def __init__(self) -> None:
        self.room = asyncio.Semaphore(_AT_ONCE)
        self.ended: dict[str, JobStatus] = {}
        self.changed = asyncio.Event()

    async def take(self, record: Record) -> None:
        if record.value is None:
            return
        status = msgspec.json.decode(record.value, type=JobStatus)
        if status.state in TERMINAL and status.job not in self.ended:
            self.ended[status.job] = status
            self.room.release()
            self.changed.set()


async def _run(
    wishes: Mapping[str, Wish], data: Path, *, within_s: float, slots: int
) -> dict[str, JobStatus]:
    jobs = {name: job_id_of_key("corpus", name) for name in wishes}
    ends = _Ends()
    async with Standalone(StandaloneSettings(data=data, slots=slots, allow_private_sources=True)) as node:
        reader = CompactedReader(
            ReaderSettings(bootstrap=node.platform.bootstrap, topics=(topics.STATUS,)), ends.take
        )
        await reader.start()
        try:
            async with asyncio.timeout(within_s):
                for name, wish in wishes.items():
                    await ends.room.acquire()
                    submitted = await submit(node, jobs[name], Source(url=wish.source), wish.options)
                    await submitted.announce()
                await _all(jobs.values(), ends)
        except TimeoutError as error:
            late = [name for name, job in jobs.items() if job not in ends.ended]
            raise TimeoutError(f"after {within_s:.0f} s not ended: {', '.join(islice(late, 20))}") from error
        finally:
            await reader.stop()
    return {name: ends.ended[job] for name, job in jobs.items()}


async def _all(jobs: Iterable[str], ends: _Ends) -> None:
    wanted = set(jobs)
    while not wanted <= ends.ended.keys():
        ends.changed.clear()
        await ends.changed.wait()
