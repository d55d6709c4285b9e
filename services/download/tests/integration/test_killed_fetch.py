"""A fetch whose process is killed at any moment goes on where it was; the origin counts what it sends."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.testing import Behaviour, Origin, pattern

DATA = pattern(40 << 20)
CHUNK = FetchPolicy().chunk_bytes

FETCH = """
import asyncio, sys
from pathlib import Path
from cinelog_common.clock import SystemClock
from cinelog_common.contract.values import Source
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_download.domain.addresses import AddressPolicy
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.adapters.network import Network

async def main(url: str, part: str) -> None:
    policy = FetchPolicy(addresses=AddressPolicy(allow_private=True), reserve_bytes=0)
    network = Network(policy, FakeObjectStore(), SystemClock(), {})
    resolved = await network.resolver.resolve(Source(url=url))
    fetch = await network.fetcher.open(resolved.inputs[0], Path(part))
    await asyncio.shield(fetch.complete)
    await fetch.close()
    await network.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("rate_bps", [None, 24 << 20])
def test_a_killed_fetch_fetches_less_than_one_chunk_twice(tmp_path: Path, rate_bps: int | None) -> None:
    async def run() -> None:
        async with Origin() as origin, asyncio.timeout(120):
            url = origin.serve("/a.mp4", DATA, Behaviour(rate_bps=rate_bps))
            before = 0
            for reached in (3 << 20, 17 << 20):
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", FETCH, url, str(tmp_path / "part")
                )
                await origin.until_sent("/a.mp4", before + reached)
                process.send_signal(signal.SIGKILL)
                assert await process.wait() == -signal.SIGKILL

                before = origin.sent("/a.mp4")
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", FETCH, url, str(tmp_path / "part")
            )

            assert await process.wait() == 0
            assert (tmp_path / "part").read_bytes() == DATA
            assert origin.sent_twice("/a.mp4") < 2 * CHUNK, "two kills, less than one chunk each"

    asyncio.run(run())
