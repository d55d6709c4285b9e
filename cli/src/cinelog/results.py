"""What a run made, for people and for programs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec
from cinelog_common.contract.quality import RenditionQuality, quality_document
from cinelog_common.contract.status import JobStatus
from cinelog_common.contract.values import Failure, Output
from cinelog_common.errors import CinelogError

from cinelog.terminal import plain

WATCHABLE = ("mp4", "webm", "hls", "audio")
KINDS = frozenset({*WATCHABLE, "subtitles", "poster", "sprite", "manifest"})
"""What `--json` names; what else lies beside them is for players and libraries."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The one object that `--json` prints."""

    job_id: str | None
    state: str
    error: Failure | None = None
    outputs: tuple[Output, ...] = ()
    warnings: tuple[str, ...] = ()
    timings_s: dict[str, float] = {}
    quality: tuple[RenditionQuality, ...] = ()


def result_of(status: JobStatus, local_path: Callable[[str], Path | None]) -> Result:
    """Return what the last snapshot of a job says.

    Args:
        status: The snapshot.
        local_path: Where an object lies on this machine: what was not placed elsewhere stayed there.
    """
    return Result(
        job_id=status.job,
        state=status.state,
        error=status.error,
        outputs=tuple(_located(output, local_path) for output in status.outputs),
        warnings=status.warnings,
        timings_s=status.timings_s,
        quality=status.quality,
    )


def _located(output: Output, local_path: Callable[[str], Path | None]) -> Output:
    path = None if output.path else local_path(output.key)
    return output if path is None else msgspec.structs.replace(output, path=str(path))


def failed(error: CinelogError) -> Result:
    """Return the result of a call that did not come as far as a job."""
    failure = Failure(category=error.category, message=error.message, action=error.action)
    return Result(job_id=None, state="failed", error=failure)


def print_result(result: Result, *, as_json: bool, took_s: float) -> None:
    """Print one JSON object on standard output, or lines for a person on standard error."""
    if as_json:
        click.echo(msgspec.json.encode(document_of(result, took_s)).decode())
        return
    for warning in result.warnings:
        click.echo(f"{click.style('warning', fg='yellow')} {plain(warning)}", err=True)
    if result.error is not None:
        said = plain(result.error.message)
        click.echo(f"{click.style('failed', fg='red')} [{result.error.category}] {said}", err=True)
        if result.error.action:
            click.echo(f"       {plain(result.error.action)}", err=True)
        return
    click.echo(f"{click.style('done', fg='green')} in {took_s:.1f} s", err=True)
    for output in result.outputs:
        if output.kind in WATCHABLE:
            click.echo(f"  watch  {output.path or output.key}{_facts(output)}", err=True)
    for quality in result.quality:
        click.echo(f"  {_quality_line(quality)}", err=True)
    others = [output for output in result.outputs if output.kind not in WATCHABLE]
    for output in others:
        click.echo(f"  {output.kind:<6} {output.path or output.key}", err=True)


def document_of(result: Result, took_s: float) -> dict[str, Any]:
    """Return `result` as the JSON object that programs read."""
    failure = result.error
    document: dict[str, Any] = {
        "job_id": result.job_id,
        "state": result.state,
        "error": None
        if failure is None
        else {"category": failure.category, "message": failure.message, "action": failure.action},
        "outputs": [_output(output) for output in result.outputs if output.kind in KINDS],
        "warnings": list(result.warnings),
        "timings_s": {**result.timings_s, "total": round(took_s, 3)},
    }
    if result.quality:
        document["quality"] = [quality_document(one) for one in result.quality]
    return document


def _output(output: Output) -> dict[str, Any]:
    document: dict[str, Any] = {"kind": output.kind, "path": output.path or output.key}
    for name in ("width", "height", "frames", "duration_s", "size_bytes", "language"):
        value = getattr(output, name)
        if value is not None:
            document[name] = value
    return document


def _quality_line(one: RenditionQuality) -> str:
    unit = " dB" if one.metric == "xpsnr" else ""
    size = f", {one.size_ratio:.0%} of the source" if one.size_ratio is not None else ""
    values = f"{one.mean:.4g}{unit}, at worst {one.lowest:.4g}{unit}"
    return f"{one.metric.upper():<6} {plain(one.name)}: {values}{size}"


def _facts(output: Output) -> str:
    facts = []
    if output.width and output.height:
        facts.append(f"{output.width}×{output.height}")
    if output.duration_s:
        facts.append(f"{output.duration_s:.1f} s")
    if output.size_bytes:
        facts.append(f"{output.size_bytes / 1e6:.1f} MB")
    return f"  ({', '.join(facts)})" if facts else ""
