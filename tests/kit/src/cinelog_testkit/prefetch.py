"""`python -m cinelog_testkit.prefetch`: download every server before the tests, and say what is missing.

`--packages` prints the Debian packages that the machine lacks, and downloads nothing.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from cinelog_testkit import kafka, mongo, npm, s3
from cinelog_testkit.availability import UnavailableError
from cinelog_testkit.programs import missing_packages

_DOWNLOADS: dict[str, Callable[[], Path]] = {
    "kafka": kafka.libraries,
    "mongodb": mongo.program,
    "s3": s3.program,
    "dash.js": npm.dash_js,
}


def main(arguments: list[str]) -> int:
    """Return 0 if everything is there, 1 with one line for each thing that is not."""
    if arguments == ["--packages"]:
        _say(" ".join(missing_packages()))
        return 0
    status = 0
    for name, download in _DOWNLOADS.items():
        try:
            _say(f"{name}: {download()}")
        except UnavailableError as error:
            _say(f"{name}: {error}")
            status = 1
    return status


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
