"""Fails when a file outgrows what a reader can hold, or a function what fits a screen."""

import ast
import subprocess
import sys
from pathlib import Path

FILE_LINES = 500
TEST_LINES = 600
FUNCTION_LINES = 70


def main() -> int:
    """Return 1 and say where, if a limit is broken."""

    command = ["git", "ls-files", "*.py", "*.pyx", ":!:*/vendor/*"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    problems = [
        problem for name in listed.stdout.split() if Path(name).exists() for problem in measure(Path(name))
    ]
    print("\n".join(problems) or "sizes: all files and functions are within their limits")
    return 1 if problems else 0


def measure(path: Path) -> list[str]:
    """Return what in `path` is too long."""
    text = path.read_text()
    lines = text.count("\n")
    limit = TEST_LINES if "tests" in path.parts else FILE_LINES
    problems = [f"{path}: {lines} lines, at most {limit}"] if lines > limit else []
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    problems.append(
                        f"{path}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES}"
                    )
    return problems


if __name__ == "__main__":
    sys.exit(main())
