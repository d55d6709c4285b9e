"""Commands side by side: alternated, medians of pairs, CPU seconds and summed memory beside wall time."""

import os
import resource
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

import psutil

Row = tuple[str, str, str]
"""What was measured, the figure, the goal."""
SAMPLE_S = 0.1


class Cost(NamedTuple):
    """What one run took, children included."""

    wall_s: float
    cpu_s: float


def timed(command: list[str], folder: Path) -> Cost:
    """Run to the end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


class Pairs(NamedTuple):
    """Medians over alternated runs; the ratio is the median of the pairs' own."""

    ratio: float
    ours: Cost
    theirs: Cost

    def __str__(self) -> str:
        """As a table's cell."""
        wall = f"wall {self.ours.wall_s:.1f} s : {self.theirs.wall_s:.1f} s"
        return f"{self.ratio:.2f}× ({wall}, CPU {self.ours.cpu_s:.1f} s : {self.theirs.cpu_s:.1f} s)"


def pairs(ours: Callable[[], list[str]], theirs: Callable[[], list[str]], folder: Path, count: int) -> Pairs:
    """Alternate both, the first in turn the second next time."""
    found: list[tuple[Cost, Cost]] = []
    for turn in range(count):
        if turn % 2:
            rival = timed(theirs(), folder)
            found.append((timed(ours(), folder), rival))
        else:
            mine = timed(ours(), folder)
            found.append((mine, timed(theirs(), folder)))
    return Pairs(
        statistics.median(mine.wall_s / rival.wall_s for mine, rival in found),
        _median(mine for mine, _ in found),
        _median(rival for _, rival in found),
    )


def _median(costs: Iterable[Cost]) -> Cost:
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


class Family:
    """Watches a process and what it starts: memory together and one by one, CPU by what a child is."""

    def __init__(self, pid: int) -> None:
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
        while not self._stop.wait(SAMPLE_S):
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
                together += sizes[one.pid][1]
        self.peak_mib = max(self.peak_mib, together)
        for name, size in sizes.values():
            self.peaks_mib[name] = max(self.peaks_mib.get(name, 0.0), size)

    def _name(self, one: psutil.Process) -> str:
        if one.pid not in self._names:
            line = one.cmdline()
            at = line.index("cinelog_common.child_start") + 1 if "cinelog_common.child_start" in line else 0
            self._names[one.pid] = line[at] if at else "main"
        return self._names[one.pid]


def _pss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def watched(command: list[str], folder: Path) -> Family:
    """Run to the end under watch: a run of its own, since watching costs a little."""
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
    )
    with Family(process.pid) as family:
        code = process.wait()
    assert code == 0, command
    return family
