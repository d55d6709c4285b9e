"""What is asked of each film of the corpus."""

from pathlib import Path

from cinelog_common.contract.values import Options
from msgspec.structs import replace

from cinelog_testkit.corpus.damages import HOSTILE
from cinelog_testkit.corpus.running import Wish
from cinelog_testkit.corpus.sources import SOURCES
from cinelog_testkit.corpus.store import film

_QUICK = Options(preset="ultrafast", crf=8, segment_s=1.0, containers=("mp4",), hardware="never")
_ORIGINAL = Options(profile="original", segment_s=1.0, containers=("mp4",))

_COPIED = (
    "h264-closed.mp4",
    "h264-open.mp4",
    "hevc-open.mp4",
    "vfr.mp4",
    "edit-list.mp4",
    "late-picture.mp4",
    "start-offset.mp4",
    "plain.ts",
    "plain.mkv",
    "av1.mp4",
    "fragmented.mp4",
    "sound-late.mkv",
    "sound-early.mkv",
    "surround.mp4",
    "languages.mkv",
    "rotated-90.mp4",
    "anamorphic.mp4",
    "hdr10.mp4",
    "sound-only.m4a",
)
_OTHER: dict[str, tuple[str, Options]] = {
    "hdr10.mp4 as hevc": ("hdr10.mp4", replace(_QUICK, codec="hevc")),
    "h264-open.mp4 as hls": ("h264-open.mp4", replace(_QUICK, containers=("hls", "mp4"))),
    "h264-open.mp4 as ladder": ("h264-open.mp4", replace(_QUICK, profile="ladder")),
    "vfr.mp4 as webm": ("vfr.mp4", replace(_QUICK, codec="vp9", crf=20, containers=("webm",))),
    "plain.ts as av1": ("plain.ts", replace(_QUICK, codec="av1", crf=20)),
    "two-hours.mp4": ("two-hours.mp4", Options(preset="ultrafast", segment_s=30.0, containers=("mp4",))),
    **{
        f"{name} at field rate": (name, replace(_QUICK, field_rate=True))
        for name in ("interlaced-mpeg2.ts", "interlaced-h264.mp4")
    },
    "plain.mkv as audio": ("plain.mkv", Options(profile="audio", containers=("mp4",))),
}

_SALVAGED = (
    "truncated.mp4",
    "truncated-fragments.mp4",
    "truncated.mkv",
    "truncated.avi",
    "flipped.mp4",
    "flipped.mkv",
    "flipped.avi",
    "flipped-much.mp4",
)

WISHES: dict[str, tuple[str, Options]] = {
    **{name: (name, _QUICK) for name in (*SOURCES, *HOSTILE)},
    **{f"{name} as it is": (name, _ORIGINAL) for name in _COPIED},
    **{f"{name} salvaged": (name, replace(_QUICK, on_damage="salvage")) for name in _SALVAGED},
    **_OTHER,
}
"""By name: the film and the options that it is run with."""


def wish(name: str, out: Path) -> Wish:
    """Return the job called `name`; its result goes to a folder of its own below `out`."""
    source, options = WISHES[name]
    return Wish(source=str(film(source)), options=replace(options, destination=str(out / name)))
