"""`cinelog run`: one source, here and now, with live progress; interrupting and running again resumes."""

import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click
import msgspec
from cinelog_common.contract.options import InvalidOptionsError, check_source
from cinelog_common.contract.requests import body_fingerprint
from cinelog_common.contract.values import Options, Source
from cinelog_common.errors import Category, CinelogError
from cinelog_common.ids import job_id_of_key

from cinelog.commands.options import chosen, encoding_options, source_options, wanted_source
from cinelog.commands.rates import Rate
from cinelog.display import Display
from cinelog.main import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE
from cinelog.results import Result, failed, print_result, result_of
from cinelog.sources import absolute, expanded

INTERRUPT_DEADLINE_S = 3.0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of the command asks for."""

    source: Source
    options: Options
    out: Path
    slots: int
    limit_rate: int | None = None
    """Bytes per second."""

    @property
    def job(self) -> str:
        """The same for the same source, options and folder, so that running again resumes."""
        return job_id_of_key("local", f"{self.out}\0{body_fingerprint(self.source, self.options)}")


@click.command()
@click.argument("source")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("out"), show_default=True
)
@encoding_options
@source_options
@click.option("--limit-rate", type=Rate(), metavar="BYTES/S", help="Fetch no faster, such as 500K or 2M.")
@click.option("--slots", type=click.IntRange(1, 256), help="Segments encoded at a time; default: one a core.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output at the end.")
@click.option("--dry-run", is_flag=True, help="Only show what SOURCE is and what would be made of it.")
@click.option("-v", "--verbose", is_flag=True, help="Show the log.")
def command(*, source: str, out: Path, slots: int | None, as_json: bool, verbose: bool, **values: Any) -> int:
    """Turn SOURCE (a URL, a page that holds a video, or a file) into playable video below OUT.

    Interrupt it and run it again with the same words: it goes on where it was.
    """
    from cinelog_common.logging import configure_logging

    configure_logging(level="DEBUG" if verbose else "ERROR", service="run")
    began = time.monotonic()
    try:
        folder = expanded(out).absolute()
        options = chosen(values, destination=str(folder))
        wanted = Wanted(
            source=wanted_source(absolute(source), values),
            options=options,
            out=folder,
            slots=slots or os.cpu_count() or 2,
            limit_rate=values["limit_rate"],
        )
        check_source(wanted.source)
        if values["dry_run"]:
            _dry_run(wanted, as_json=as_json, began=began)
            return EXIT_DONE
        result = asyncio.run(_run(wanted, Display(verbose=verbose)))
    except InvalidOptionsError as error:
        if not as_json:
            raise click.UsageError(f"{error.message} {error.action}") from error
        result = failed(error)
    except CinelogError as error:
        result = failed(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    if result is None:
        click.echo("Interrupted. Run the same command again to go on.", err=True)
        return EXIT_INTERRUPTED
    print_result(result, as_json=as_json, took_s=time.monotonic() - began)
    if result.error is not None and result.error.category == Category.INVALID_REQUEST:
        return EXIT_USAGE
    return EXIT_DONE if result.state == "completed" else EXIT_FAILED


def _dry_run(wanted: Wanted, *, as_json: bool, began: float) -> None:
    from cinelog.planning import look
    from cinelog.plans import print_dry_run

    found = asyncio.run(look(wanted.source, wanted.options, wanted.out, wanted.slots))
    print_dry_run(found, as_json=as_json, took_s=time.monotonic() - began)


async def _run(wanted: Wanted, display: Display) -> Result | None:
    """Return the result, or None if the user interrupted."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _interrupt, interrupted)
    work = asyncio.create_task(_work(wanted, display))
    stop = asyncio.create_task(interrupted.wait())
    try:
        await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            # Whatever it says now, the user has left.
            await asyncio.gather(work, return_exceptions=True)
            return None
        return work.result()
    finally:
        stop.cancel()
        display.close()


def _interrupt(interrupted: asyncio.Event) -> None:
    if interrupted.is_set():
        sys.exit(EXIT_INTERRUPTED)  # a second time means at once
    interrupted.set()


async def _work(wanted: Wanted, display: Display) -> Result:
    from cinelog.hardware import check_hardware
    from cinelog.settings import StandaloneSettings
    from cinelog.standalone import Standalone
    from cinelog.submitting import submit
    from cinelog.watching import Watcher

    await check_hardware(wanted.options)
    data = wanted.out / ".cinelog"
    # Somebody waits for this very film: its encoders stand back for nobody.
    settings = StandaloneSettings(
        data=data,
        slots=wanted.slots,
        nice=0,
        allow_private_sources=True,
        allow_local_cookies=True,
        limit_rate=wanted.limit_rate,
        hardware=wanted.options.hardware != "never",
    )
    node = Standalone(settings)
    await node.start()
    deadline_s = INTERRUPT_DEADLINE_S
    try:
        watcher = Watcher(node.platform, wanted.job, display.show)
        submitted = await submit(node, wanted.job, wanted.source, wanted.options)
        if submitted.already is not None:
            return result_of(submitted.already, node.platform.objects.local_path)
        await watcher.start(submitted.run)
        try:
            await submitted.announce()
            status = await watcher.ended()
        finally:
            await watcher.stop()
        deadline_s = 0.0
        if status.state == "completed":
            await submitted.sweep()
        return result_of(status, node.platform.objects.local_path)
    finally:
        await node.stop(deadline_s)
        if deadline_s == 0.0:
            shutil.rmtree(data / "scratch", ignore_errors=True)
