"""What `cinelog serve` costs while nobody asks for anything."""

import os
import statistics
import subprocess
import time
from pathlib import Path

import psutil
from measuring import Row
from rivals import CINELOG


def serve(folder: Path, count: int) -> list[Row]:
    """Time from call to ready, and what idling costs, all processes together."""
    ready, cpu, memory = [], [], []
    for turn in range(count):
        port = 20000 + os.getpid() % 10000 + turn
        command = [str(CINELOG), "serve", "--port", str(port), "--data", str(folder / f"serve-{turn}")]
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not _answers(port):
                time.sleep(0.02)
            ready.append(time.perf_counter() - began)
            if turn:  # what idling costs does not waver: once is enough
                continue
            time.sleep(35)  # children that proved encoders are kept warm for half a minute
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            used = sum(sum(one.cpu_times()[:2]) for one in family)
            time.sleep(20)
            cpu.append((sum(sum(one.cpu_times()[:2]) for one in family) - used) / 20 * 100)
            memory.append(sum(one.memory_info().rss for one in family) / 2**20)
        finally:
            process.terminate()
            process.wait()
    return [
        ("`cinelog serve` ready after", f"{statistics.median(ready):.2f} s", "≤ 3 s"),
        ("idle `serve`, share of one core", f"{statistics.median(cpu):.2f} %", "≤ 2 %"),
        ("idle `serve`, resident, all processes", f"{statistics.median(memory):.0f} MiB", "≤ 250 MB"),
    ]


def _answers(port: int) -> bool:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
