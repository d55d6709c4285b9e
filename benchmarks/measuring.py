"""Commands side by side: alternated, medians of pairs, CPU seconds and summed memory beside wall time."""

import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

import psutil

Row = tuple[str, str, str]
"""What was measured, the figure, the goal."""
Part = Callable[[str], bool]
"""Of what a child is."""
SAMPLE_S, PAIR_SAMPLE_S = 0.1, 0.5


class Cost(NamedTuple):
    """What one run took, children included."""

    wall_s: float
    cpu_s: float


def timed(command: list[str], folder: Path) -> Cost:
    """Run to the end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return _cost(before, began)


def _cost(before: resource.struct_rusage, began: float) -> Cost:
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


class Pairs(NamedTuple):
    """Medians over alternated runs; the ratio is the median of the pairs' own; memory is of the last pair."""

    ratios: tuple[float, ...]
    ours: Cost
    theirs: Cost
    peaks_mib: tuple[float, float]

    def __str__(self) -> str:
        """As a table's cell."""
        wall = f"wall {self.ours.wall_s:.1f} s : {self.theirs.wall_s:.1f} s"
        cpu = f"CPU {self.ours.cpu_s:.1f} s : {self.theirs.cpu_s:.1f} s"
        mine, rival = self.peaks_mib
        several = f" of {len(self.ratios)}, {min(self.ratios):.2f} to {max(self.ratios):.2f}"
        told = f"{statistics.median(self.ratios):.2f}×{several if len(self.ratios) > 1 else ''}"
        return f"{told} ({wall}, {cpu}, memory {mine:.0f} MiB : {rival:.0f} MiB)"


def pairs(ours: Callable[[], list[str]], theirs: Callable[[], list[str]], folder: Path, count: int) -> Pairs:
    """Alternate both, the first in turn the second next time; in the last pair memory is watched too."""
    found: list[tuple[Cost, Cost]] = []
    peaks = {ours: 0.0, theirs: 0.0}
    for turn in range(count):
        costs = {}
        for command in (theirs, ours) if turn % 2 else (ours, theirs):
            if turn == count - 1:
                costs[command], peaks[command] = _measured(command(), folder)
            else:
                costs[command] = timed(command(), folder)
        found.append((costs[ours], costs[theirs]))
        told = ", ".join(f"{cost.wall_s:.2f} s (CPU {cost.cpu_s:.2f} s)" for cost in found[-1])
        print(f"  pair {turn + 1}: {told}", file=sys.stderr)
    return Pairs(
        tuple(mine.wall_s / rival.wall_s for mine, rival in found),
        _median(mine for mine, _ in found),
        _median(rival for _, rival in found),
        (peaks[ours], peaks[theirs]),
    )


def _measured(command: list[str], folder: Path) -> tuple[Cost, float]:
    # A look takes some milliseconds of a core for every process: seldom enough, it does not show.
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    peak = watched(command, folder, every_s=PAIR_SAMPLE_S).peak_mib
    return _cost(before, began), peak


def _median(costs: Iterable[Cost]) -> Cost:
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


class Family:
    """Watches a process and what it starts: memory together and one by one, CPU by what a child is."""

    def __init__(self, pid: int, every_s: float = SAMPLE_S, part: Part | None = None) -> None:
        self._every_s = every_s
        self._part = part
        self._root = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._cpu: dict[tuple[str, int], float] = {}
        self._names: dict[int, str] = {}
        self.peak_mib = 0.0
        """Proportional set sizes, added up: shared pages count once."""
        self.peaks_mib: dict[str, float] = {}
        """Of the largest process of each name."""

    def __enter__(self) -> Self:
        """Start to watch."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to watch."""
        self._stop.set()
        self._thread.join()

    @property
    def cpu_s(self) -> dict[str, float]:
        """By name; what a process did in its last tenth of a second is not seen."""
        found: dict[str, float] = {}
        for (name, _), used in self._cpu.items():
            found[name] = found.get(name, 0.0) + used
        return found

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            with suppress(psutil.Error):
                family = [self._root, *self._root.children(recursive=True)]
                self._note(family)

    def _note(self, family: list[psutil.Process]) -> None:
        together, sizes = 0.0, {}
        for one in family:
            with suppress(psutil.Error, OSError):
                name = self._name(one)
                self._cpu[name, one.pid] = sum(one.cpu_times()[:2])
                sizes[one.pid] = (name, _pss(one.pid))
                if self._part is None or self._part(name):
                    together += sizes[one.pid][1]
        self.peak_mib = max(self.peak_mib, together)
        for name, size in sizes.values():
            self.peaks_mib[name] = max(self.peaks_mib.get(name, 0.0), size)

    def _name(self, one: psutil.Process) -> str:
        if one.pid not in self._names:
            line = one.cmdline()
            at = line.index("cinelog_common.child_start") + 1 if "cinelog_common.child_start" in line else 0
            if not at and one.pid != self._root.pid:
                return "main"  # of a child that has not become anything yet, this is its parent's line
            self._names[one.pid] = line[at] if at else "main"
        return self._names[one.pid]


def _pss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def watched(
    command: list[str], folder: Path, *, every_s: float = SAMPLE_S, part: Part | None = None
) -> Family:
    """Run to the end under watch, which costs a little; `part` says which processes' memory is added up."""
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
    )
    with Family(process.pid, every_s, part) as family:
        code = process.wait()
    assert code == 0, command
    return family
