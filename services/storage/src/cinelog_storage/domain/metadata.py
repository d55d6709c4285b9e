"""What `metadata.json` says of a result: enough for a player's page or a library. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec
from cinelog_common.contract.commands import PublishOutput
from cinelog_common.contract.quality import quality_document
from cinelog_common.contract.values import Output, Recipe, Subtitle, Track


def metadata_of(command: PublishOutput, outputs: Sequence[Output]) -> dict[str, Any]:
    """Return the document: title, duration, codecs, sizes, frame rate and sound tracks, as far as known."""
    document: dict[str, Any] = {
        "title": command.title,
        "source_url": command.source_url,
        "duration_s": command.duration_s,
        "tags": command.tags,
        "chapters": [
            {"start_s": one.start_s, "end_s": one.end_s, "title": one.title} for one in command.chapters
        ],
        "video": _video(command.recipe, command.tracks, outputs),
        "audio": [_audio(track) for track in command.tracks if track.kind == "audio"],
        "subtitles": [_subtitle(one) for one in command.subtitles],
        "outputs": [_output(output) for output in outputs],
        "warnings": list(command.warnings),
    }
    if command.quality:
        document["quality"] = [quality_document(one) for one in command.quality]
    return document


def _video(
    recipe: Recipe | None, tracks: Sequence[Track], outputs: Sequence[Output]
) -> dict[str, Any] | None:
    shown = next(
        (output for output in outputs if output.kind in {"mp4", "webm", "hls"} and output.width), None
    )
    frames = next((output.frames for output in outputs if output.frames is not None), None)
    if recipe is not None and shown is not None:
        return {
            "codec": recipe.codec,
            "width": shown.width,
            "height": shown.height,
            "frames": frames,
            "frame_rate": _rate(recipe.frame_rate),
            "renditions": [
                {"name": one.name, "width": one.width, "height": one.height} for one in recipe.renditions
            ],
        }
    copied = next((track for track in tracks if track.kind == "video"), None)
    if copied is None:
        return None
    return {
        "codec": copied.codec,
        "width": copied.width,
        "height": copied.height,
        "frames": frames,
        "frame_rate": _rate(copied.frame_rate),
        "renditions": [],
    }


def _rate(rate: tuple[int, int]) -> float | None:
    return round(rate[0] / rate[1], 6) if rate[0] > 0 and rate[1] > 0 else None


def _audio(track: Track) -> dict[str, Any]:
    document: dict[str, Any] = {
        "codec": track.codec,
        "language": track.language,
        "channels": track.channels,
        "sample_rate": track.sample_rate,
    }
    if track.title:
        document["title"] = track.title
    if track.loudness is not None:
        document["loudness"] = msgspec.to_builtins(track.loudness)
    return document


def _subtitle(subtitle: Subtitle) -> dict[str, Any]:
    return {
        "language": subtitle.language,
        "title": subtitle.title,
        "default": subtitle.default,
        "forced": subtitle.forced,
        "hearing_impaired": subtitle.hearing_impaired,
        "cues": subtitle.cues,
    }


def _output(output: Output) -> dict[str, Any]:
    document: dict[str, Any] = {"kind": output.kind, "file": output.key.rpartition("/")[2]}
    for name in ("size_bytes", "width", "height", "frames", "duration_s", "language"):
        value = getattr(output, name)
        if value:
            document[name] = value
    return document
