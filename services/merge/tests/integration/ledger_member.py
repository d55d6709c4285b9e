"""One member of the ledger as a process that tests may kill: `ledger_member.py BOOTSTRAP FOLDER`."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any, cast

from cinelog_common.clock import SystemClock
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.platform import Platform
from cinelog_merge.ledger import Ledger, LedgerOptions


async def main(bootstrap: str, folder: Path) -> None:
    """Run until SIGTERM."""
    producer = Producer(ProducerSettings(bootstrap=bootstrap))
    await producer.start()
    platform = Platform(
        bootstrap=bootstrap,
        epoch=0,
        producer=producer,
        objects=cast("Any", None),
        documents=cast("Any", None),
        clock=SystemClock(),
        scratch=folder,
        worker=folder.name,
        embedded=False,
        partitions=4,
        pools={"cpu": 1},
    )
    ledger = Ledger(platform, LedgerOptions(session_s=6.0, heartbeat_s=1.0))
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    await ledger.start()
    await ending.wait()
    await ledger.stop(5)
    await producer.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
