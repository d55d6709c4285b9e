"""Sources turned into films by the command, as quickly as it encodes."""

from pathlib import Path

from cinelog_testkit.commands import Finished, cinelog


def converted(source: Path | str, out: Path, *words: str | Path, quick: bool = True) -> Finished:
    """Run the command to its end.

    Raises:
        AssertionError: It did not succeed.
    """
    speed = ("--preset", "ultrafast") if quick else ()
    done = cinelog("run", source, "--out", out, "--json", *speed, *words)
    assert done.code == 0, f"{done.out}\n{done.err}"
    assert done.result["state"] == "completed"
    assert done.result["error"] is None
    return done
