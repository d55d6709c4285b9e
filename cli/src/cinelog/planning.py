"""`cinelog run --dry-run`: what the source is, and what would be made of it. Nothing is stored."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from cinelog_common.clock import SystemClock
from cinelog_common.contract.options import Settled, settle
from cinelog_common.contract.values import Failure, Options, Recipe, Source, Value
from cinelog_common.errors import Category, PermanentError

from cinelog.estimates import Guess, constant, disk_needed, encoded

if TYPE_CHECKING:
    from cinelog_download.adapters.inspecting import Inspection
    from cinelog_merge.domain.pools import Pools
    from cinelog_transcode.domain.tables import EncoderTable


class Plan(Value, frozen=True, kw_only=True):
    """What a run would do."""

    settled: Settled
    recipe: Recipe | None
    units: int | None
    """Expected work units; None where nothing tells."""
    size: Guess
    disk_needed: int
    disk_free: int
    warnings: tuple[str, ...] = ()


class DryRun(Value, frozen=True, kw_only=True):
    """A source and the plan for it."""

    inspection: "Inspection"
    plan: Plan


async def look(source: Source, options: Options, out: Path, slots: int) -> "DryRun":
    """Resolve and probe `source`, and work out what `options` would make of it below `out`.

    Raises:
        CinelogError: The source cannot be had, or cannot be made into what is asked for.
    """
    from cinelog_common.objects.folder import FolderObjectStore
    from cinelog_common.settings import load
    from cinelog_download.domain.demuxing import DemuxOrder
    from cinelog_download.main import inspector, limits
    from cinelog_download.settings import Settings

    from cinelog.hardware import check_hardware

    settled = settle(options)
    await check_hardware(options)
    settings = load(Settings, allow_private_sources=True, allow_local_cookies=True)
    near = next(folder for folder in (out, *out.parents) if folder.is_dir())
    order = DemuxOrder(
        job="",
        inputs=(),
        run=1,
        audio=settled.audio,
        folder="",
        video={"encode": "bundles", "copy": "copy"}.get(settled.video, "none"),
        segment_s=settled.segment_s,
        max_segment_s=settled.max_segment_s,
        subtitles=settled.subtitles,
        limits=limits(settings),
    )
    objects = FolderObjectStore(out / ".cinelog" / "objects")
    try:
        async with inspector(settings, objects, SystemClock(), near=near) as looking:
            inspection = await looking.inspect(source, order)
    finally:
        await objects.close()
    pools = await _pools(settled, slots) if inspection.probed.video is not None else None
    return DryRun(inspection=inspection, plan=plan_for(inspection, settled, pools, near))


def plan_for(inspection: "Inspection", settled: Settled, pools: "Pools | None", near: Path) -> Plan:
    """Return what would be made of a source.

    Raises:
        PermanentError: It has no sound where sound is all that is asked for, or no encoder can be had.
    """
    recipe, warnings = None, inspection.warnings
    video = inspection.probed.video
    if settled.video == "encode" and video is not None and pools is not None:
        from cinelog_merge.domain.recipes import choose_recipe

        chosen = choose_recipe(settled, video, pools)
        if isinstance(chosen, Failure):
            raise PermanentError(chosen.message, category=Category(chosen.category), action=chosen.action)
        recipe, warnings = chosen.recipe, warnings + chosen.warnings
    if settled.profile == "audio" and not inspection.probed.audio:
        raise PermanentError(
            "The source has no sound.",
            category=Category.UNSUPPORTED_MEDIA,
            action="Choose another profile, such as web.",
        )
    size, disk = _sizes(inspection, settled, recipe)
    return Plan(
        settled=settled,
        recipe=recipe,
        units=inspection.units or None,
        size=size,
        disk_needed=disk,
        disk_free=shutil.disk_usage(near).free,
        warnings=warnings,
    )


def _sizes(inspection: "Inspection", settled: Settled, recipe: Recipe | None) -> tuple[Guess, int]:
    """Return the size of the result, and what it takes on the disk meanwhile."""
    duration_s, video = inspection.duration_s, inspection.probed.video
    source = sum(size or 0 for size in inspection.sizes)
    source_bps = source * 8 / duration_s if duration_s else 0.0
    sound = Guess()
    if settled.audio.mode == "encode" and inspection.probed.audio:
        channels = max(2, min(6, inspection.probed.audio[0].channels))
        sound = constant(settled.audio.bitrate_k * 1000 * channels / 2, duration_s)
    pictures, best = Guess(), Guess()
    if settled.video == "copy":
        pictures = best = Guess(expected=source, at_most=source)
    elif recipe is not None and video is not None:
        pictures = encoded(recipe.renditions, video, duration_s=duration_s, source_bps=source_bps)
        best = encoded(recipe.renditions[:1], video, duration_s=duration_s, source_bps=source_bps)
    joined = any(container != "hls" for container in settled.containers)
    segments, file = pictures + sound, best + sound
    result = (segments if "hls" in settled.containers else Guess()) + (file if joined else Guess())
    remote = any(each.protocol in {"http", "hls"} for each in inspection.resolved.inputs)
    return result, disk_needed(segments, file, source=source, remote=remote, joined=joined)


async def _pools(settled: Settled, slots: int) -> "Pools":
    """Return the pools of this machine: the encoders for this codec that encode a frame."""
    from cinelog_merge.domain.pools import Pool, Pools
    from cinelog_transcode.proofs import prove

    tables = _tables(settled)
    found: dict[str, Pool] = {}
    async for proof in prove(tables):
        if proof.usable:
            found[proof.pool] = Pool(live_slots=slots, encoders={proof.encoder: proof.version})
    return Pools(pools=found)


def _tables(settled: Settled) -> "tuple[EncoderTable, ...]":
    from cinelog_transcode.domain.tables import TABLES

    from cinelog.composition import offered_pools

    offered = offered_pools(hardware=settled.hardware != "never")
    return tuple(table for table in TABLES.values() if table.codec == settled.codec and table.pool in offered)
