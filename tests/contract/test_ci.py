"""What CI installs: only what the machine lacks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STOPPED = 7


class Machine:
    """A machine whose package manager writes down what it is asked for, and whose make stops everything."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked = folder / "asked"
        self._asked.touch()
        for name in ("cc", "sudo"):
            self.has(name, 'exec "$@"')
        self.has("apt-get", f'echo "$@" >> {self._asked}')
        self.has("make", f"exit {STOPPED}")

    def has(self, name: str, script: str) -> None:
        program = self._folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def installed(self) -> set[str]:
        """Let CI run as far as the environment, and return the packages that were installed before."""
        path = f"{self._folder}:{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(self._folder)}
        done = subprocess.run(
            [ROOT / ".ci/run"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == STOPPED, done.stderr
        asked = [line.split() for line in self._asked.read_text().splitlines()]
        return {word for words in asked if "install" in words for word in words if word[0] != "-"} - {
            "install"
        }


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_with_a_suitable_python_keeps_it(machine: Machine) -> None:
    machine.has("python3", f'exec {sys.executable} "$@"')

    assert machine.installed() == set()


@pytest.mark.parametrize(
    "script", ["exit 127", "cat > /dev/null; exit 1"], ids=["none", "too old or in parts"]
)
def test_a_machine_without_one_gets_it_with_headers_and_venv(machine: Machine, script: str) -> None:
    machine.has("python3", script)

    assert machine.installed() == {"python3", "python3-venv", "python3-dev"}
