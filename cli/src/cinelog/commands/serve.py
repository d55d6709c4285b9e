"""`cinelog serve`: everything in one process, with HTTP, without any server."""

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cinelog.commands.rates import Rate

if TYPE_CHECKING:
    from cinelog.settings import StandaloneSettings

LOOPBACK = "127.0.0.1"


def default_data() -> Path:
    """Return where `serve` keeps its data unless told otherwise (XDG Base Directory, `$XDG_DATA_HOME`)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "cinelog"


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True, help="Accounts come later: keep it on loopback.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Default: ~/.local/share/cinelog"
)
@click.option("--limit-rate", type=Rate(), metavar="BYTES/S", help="Fetch no faster, all sources together.")
@click.option("--slots", type=click.IntRange(1, 256), help="Segments encoded at a time; default: one a core.")
@click.option("--allow-private-sources", is_flag=True, help="Let sources be files and private addresses.")
@click.option("--log", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("-v", "--verbose", is_flag=True)
def command(
    *,
    host: str,
    port: int,
    data: Path | None,
    slots: int | None,
    limit_rate: int | None,
    allow_private_sources: bool,
    log: str,
    verbose: bool,
) -> int:
    """Run everything in one process: submit jobs over HTTP, watch them, play the results.

    Ends on SIGTERM or SIGINT; whatever was accepted goes on at the next start.
    """
    from cinelog_common.logging import configure_logging

    from cinelog.settings import StandaloneSettings

    configure_logging(level="DEBUG" if verbose else "INFO", style=log, service="serve")
    settings = StandaloneSettings(
        data=(data or default_data()).absolute(),
        slots=slots or os.cpu_count() or 2,
        allow_private_sources=allow_private_sources,
        limit_rate=limit_rate,
        host=host,
        port=port,
    )
    asyncio.run(_serve(settings))
    return 0


async def _serve(settings: "StandaloneSettings") -> None:
    from loguru import logger

    from cinelog.standalone import Standalone

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    node = Standalone(settings, resuming=True)
    await node.start()
    try:
        log = logger.bind(action="serve.ready")
        log.info("http://{}:{}  data in {}", settings.host, settings.port, settings.data)
        if node.resumed:
            log.info("{} unfinished jobs go on", node.resumed)
        await stop.wait()
    finally:
        await node.stop(10)
