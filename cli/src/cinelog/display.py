"""Live progress on standard error: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from typing import TYPE_CHECKING

import click
from cinelog_common.contract.status import TERMINAL, JobStatus, Progress

from cinelog.terminal import plain

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

LINE_INTERVAL_S = 5.0


class Display:
    """Shows how far a job is."""

    def __init__(self, *, verbose: bool) -> None:
        self._live = sys.stderr.isatty() and not verbose
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._state = ""
        self._line_at = 0.0

    def show(self, status: JobStatus | None, progress: dict[str, Progress]) -> None:
        """Show the latest snapshot and progress."""
        if status is None:
            return
        fraction = status.fraction
        text = _text(status, progress)
        if self._live:
            self._draw(fraction, text)
        elif status.state != self._state or time.monotonic() - self._line_at > LINE_INTERVAL_S:
            self._line_at = time.monotonic()
            click.echo(f"{100 * fraction:3.0f} %  {text}", err=True)
        self._state = status.state

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _draw(self, fraction: float, text: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        if self._bar is None:
            columns = (
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.description}", markup=False),
                TimeElapsedColumn(),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(text, total=1.0)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, completed=fraction, description=text)


def _text(status: JobStatus, progress: dict[str, Progress]) -> str:
    parts = [status.state]
    fetch = progress.get("fetch")
    if fetch is not None and fetch.total and fetch.done < fetch.total:
        parts.append(f"{fetch.done / 1e6:.1f} of {fetch.total / 1e6:.1f} MB in")
    if status.units_ready:
        units = status.units if status.units is not None else f"{status.units_ready}+"
        parts.append(f"{status.units_encoded} of {units} segments")
    if status.error is not None and status.state not in TERMINAL:
        # A run that fails may have to wait before it can end, as on a full disk: say what to do meanwhile.
        parts.append(plain(f"{status.error.message} {status.error.action}").rstrip())
    return ", ".join(parts)
