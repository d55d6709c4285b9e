"""The commands of the Makefile: what they take from their user, and when the environment is made anew."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ECHO = "#!/bin/sh\nexec python3 -c 'import json, sys; print(json.dumps(sys.argv[1:]))' \"$@\"\n"


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """A folder with a `cinelog` that prints its arguments."""
    program = tmp_path / "cinelog"
    program.write_text(ECHO)
    program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    "source",
    [
        "https://a.example/watch?v=1&t=2#now",
        "https://a.example/$1/$(shell touch pwned)/${HOME}/$$",
        "https://a.example/`touch pwned`;\"'",
        "films/two words (1) \\ & more*.mp4",
        "-film.mp4",
    ],
)
def test_a_source_reaches_the_command_as_it_was_typed(bin_folder: Path, source: str) -> None:
    done = subprocess.run(
        [
            "make",
            "-s",
            "-C",
            ROOT,
            "-o",
            "install",
            "run",
            f"BIN={bin_folder}",
            f"SOURCE={source}",
            f"OUT={source}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout) == ["run", "--out", source, "--", source]
    assert not (ROOT / "pwned").exists()


def test_the_environment_is_made_anew_when_a_compiled_source_has_changed() -> None:
    database = subprocess.run(
        ["make", "-pnq", "-C", ROOT, ".venv/.installed"], capture_output=True, text=True, check=False
    ).stdout
    rule = re.search(r"^\.venv/\.installed: (.*)$", database, re.MULTILINE)
    assert rule is not None
    compiled = [
        path.relative_to(ROOT).as_posix()
        for pattern in (
            "src/cinelog_fastio/_native/*.pyx",
            "src/cinelog_fastio/_native/*.pxd",
            "vendor/*/*.[ch]",
        )
        for path in (ROOT / "libs/fastio").glob(pattern)
    ]

    assert len(compiled) >= 8
    assert set(compiled) <= set(rule[1].split())
