"""What a dry run found, for people and for programs."""

from collections.abc import Iterator
from typing import Any

import click
import msgspec
from cinelog_common.contract.values import Rendition

from cinelog.planning import DryRun, Plan

SHOWN_FORMATS = 40


def print_dry_run(found: DryRun, *, as_json: bool, took_s: float) -> None:
    """Print one JSON object, or lines for a person, on standard output."""
    if as_json:
        click.echo(msgspec.json.encode(document_of(found, took_s)).decode())
        return
    for line in (*_source_lines(found), *_plan_lines(found.plan)):
        click.echo(line)
    for warning in found.plan.warnings:
        click.echo(f"{click.style('warning', fg='yellow')} {warning}", err=True)


def document_of(found: DryRun, took_s: float) -> dict[str, Any]:
    """Return `found` as the JSON object that programs read; its head is that of a run's result."""
    resolved, probed = found.inspection.resolved, found.inspection.probed
    return {
        "job_id": None,
        "state": "planned",
        "error": None,
        "outputs": [],
        "warnings": list(found.plan.warnings),
        "timings_s": {"total": round(took_s, 3)},
        "source": {
            "title": resolved.title,
            "webpage_url": resolved.webpage_url,
            "extractor": resolved.extractor,
            "container": probed.container,
            "duration_s": round(found.inspection.duration_s, 3) or None,
            "size_bytes": _total(found.inspection.sizes),
            "formats": msgspec.to_builtins(resolved.offers),
            "subtitles": sorted({each.language for each in resolved.subtitles}),
            "streams": [
                {name: value for name, value in msgspec.structs.asdict(stream).items() if value != 0}
                | {"input": stream.input, "used": stream.used}
                for stream in probed.streams
            ],
            "chapters": msgspec.to_builtins(probed.chapters or resolved.chapters),
            "tags": {**resolved.tags, **probed.tags},
        },
        "plan": _plan(found.plan),
    }


def _plan(plan: Plan) -> dict[str, Any]:
    settled, recipe = plan.settled, plan.recipe
    sound = settled.audio
    return {
        "profile": settled.profile,
        "video": settled.video if recipe is not None or settled.video == "copy" else "none",
        "encoder": recipe.encoder if recipe else None,
        "family": recipe.family if recipe else None,
        "preset": recipe.preset if recipe else None,
        "renditions": [_rendition(one) for one in recipe.renditions] if recipe else [],
        "audio": {"mode": sound.mode, "codec": sound.codec, "bitrate_k": sound.bitrate_k}
        if sound.mode == "encode"
        else {"mode": sound.mode},
        "subtitles": settled.subtitles,
        "containers": list(settled.containers),
        "segment_s": settled.segment_s,
        "units": plan.units,
        "size_bytes": {"expected": plan.size.expected, "at_most": plan.size.at_most},
        "disk_bytes": {"needed": plan.disk_needed, "free": plan.disk_free},
    }


def _rendition(one: Rendition) -> dict[str, Any]:
    return {
        "name": one.name,
        "width": one.width,
        "height": one.height,
        "crf": one.crf,
        "max_rate_k": one.max_rate_k,
        "level": one.level,
    }


def _source_lines(found: DryRun) -> Iterator[str]:
    resolved, probed = found.inspection.resolved, found.inspection.probed
    duration_s, size = found.inspection.duration_s, _total(found.inspection.sizes)
    facts = [probed.container, f"{duration_s:.1f} s" if duration_s else "of unknown length"]
    facts += [_bytes(size)] if size is not None else []
    yield click.style(resolved.title, bold=True)
    yield f"  {', '.join(facts)}, by {resolved.extractor}"
    if len(resolved.offers) > 1:
        yield click.style("formats", bold=True)
    for offer in resolved.offers[-SHOWN_FORMATS:] if len(resolved.offers) > 1 else ():
        size_text = f"  {_bytes(offer.size)}" if offer.size else ""
        picture = f"{offer.width}×{offer.height}" if offer.width and offer.height else ""
        what = "  ".join(filter(None, (offer.container, picture, offer.video, offer.audio, offer.note)))
        yield f"  {'*' if offer.chosen else ' '} {offer.format_id:<12} {what}{size_text}"
    yield click.style("streams", bold=True)
    for stream in probed.streams:
        picture = f"{stream.width}×{stream.height}" if stream.width else ""
        sound = f"{stream.sample_rate} Hz, {stream.channels} channels" if stream.channels else ""
        language = stream.language if stream.language != "und" else ""
        facts = list(filter(None, (stream.codec, picture, sound, language, stream.title)))
        yield f"  {'*' if stream.used else ' '} {stream.kind:<10} {', '.join(facts)}"


def _plan_lines(plan: Plan) -> Iterator[str]:
    settled, recipe = plan.settled, plan.recipe
    yield click.style("plan", bold=True)
    if recipe is not None:
        sizes = ", ".join(
            f"{one.name} ({one.width}×{one.height}, crf {one.crf})" for one in recipe.renditions
        )
        yield f"  picture    {recipe.encoder} {recipe.preset}: {sizes}"
    elif settled.video == "copy":
        yield "  picture    passed through"
    yield f"  sound      {_sound(plan)}"
    yield f"  containers {', '.join(settled.containers)}"
    if plan.units:
        yield f"  units      about {plan.units} of {settled.segment_s:g} s"
    yield f"  size       about {_bytes(plan.size.expected)}, at most {_bytes(plan.size.at_most)}"
    yield f"  disk       about {_bytes(plan.disk_needed)} at its height, {_bytes(plan.disk_free)} free"


def _sound(plan: Plan) -> str:
    sound = plan.settled.audio
    return f"{sound.codec}, {sound.bitrate_k} kbit/s" if sound.mode == "encode" else "passed through"


def _total(sizes: tuple[int | None, ...]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if known and len(known) == len(sizes) else None


def _bytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 10**9 else f"{size / 1e6:.1f} MB"
