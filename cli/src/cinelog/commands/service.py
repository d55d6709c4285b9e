"""`cinelog service NAME`: one service of a deployment, one a container."""

import asyncio
import contextlib
import signal

import click

from cinelog.composition import SERVICES

DRAIN_S = 60.0


@click.command()
@click.argument("name", type=click.Choice(SERVICES))
@click.option(
    "--drain", type=float, default=DRAIN_S, show_default=True, help="Seconds to finish work in hand."
)
@click.option("--log", type=click.Choice(("text", "json")), default="json", show_default=True)
@click.option("-v", "--verbose", is_flag=True)
def command(*, name: str, drain: float, log: str, verbose: bool) -> int:
    """Run the service NAME on Kafka, MongoDB and S3, as `CINELOG_*` variables say.

    On SIGTERM it takes nothing more, finishes what is in hand, commits and leaves.
    """
    from cinelog_common.logging import configure_logging

    configure_logging(level="DEBUG" if verbose else "INFO", style=log, service=name)
    asyncio.run(_run(name, drain))
    return 0


async def _run(name: str, drain_s: float) -> None:
    from cinelog_common.settings import load
    from loguru import logger

    from cinelog.composition import build
    from cinelog.deployment import open_platform
    from cinelog.settings import DeploymentSettings

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        platform = await open_platform(load(DeploymentSettings), name, stack)
        service = build(name, platform)
        await service.start()
        logger.bind(action="service.ready").info("{} takes work", name)
        try:
            await stop.wait()
        finally:
            logger.bind(action="service.stopping").info("{} finishes what is in hand", name)
            await service.stop(drain_s)
