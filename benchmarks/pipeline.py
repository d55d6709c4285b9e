"""The whole way beside ffmpeg: alternated runs, medians of pairs, CPU seconds beside wall time.

    python benchmarks/pipeline.py [--pairs 5] [--only NAME ...] [--json FILE]

The rival is ffmpeg as the PyPI package imageio-ffmpeg ships it (libx264, the same
encoder family as PyAV's), or the one that CINELOG_FFMPEG names.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

from arriving import links, overlap, start
from cinelog_common.logging import configure_logging
from encoding import encoder_memory, irregular, ladder, local_file, overhead, regular, size
from fastio import goals
from idle import serve
from measuring import Row
from memory import download
from scaling import workers
from storing import disk

GROUPS: dict[str, Callable[[Path, int], list[Row]]] = {
    "local-file": local_file,
    "regular": regular,
    "irregular": irregular,
    "ladder": ladder,
    "size": size,
    "start": start,
    "overlap": overlap,
    "links": links,
    "overhead": overhead,
    "encoder-memory": encoder_memory,
    "download": download,
    "fastio": goals,
    "workers": workers,
    "disk": disk,
    "serve": serve,
}


def machine() -> str:
    names = {
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    }
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({', '.join(sorted(names))}), {system}"


def main() -> None:
    configure_logging(level="ERROR")
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(
        f"{machine()}; medians of {arguments.pairs}\n\n| measured | figure | goal |\n| --- | --- | --- |",
        flush=True,
    )
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="cinelog-bench-") as folder:
        for name in arguments.only:
            for row in GROUPS[name](Path(folder), arguments.pairs):
                rows.append(row)
                print("| " + " | ".join(row) + " |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
