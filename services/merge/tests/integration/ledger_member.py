"""One member of the ledger as a process that tests may kill: `ledger_member.py BOOTSTRAP FOLDER`."""

import asyncio
import signal
import sys
from pathlib import Path

from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_merge.ledger import Ledger, LedgerOptions
from cinelog_merge.ledger_testing import bare_platform


async def main(bootstrap: str, folder: Path) -> None:
    """Run until SIGTERM."""
    producer = Producer(ProducerSettings(bootstrap=bootstrap))
    await producer.start()
    ledger = Ledger(bare_platform(bootstrap, producer, folder), LedgerOptions(session_s=3.0, heartbeat_s=0.5))
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    await ledger.start()
    await ending.wait()
    await ledger.stop(5)
    await producer.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
