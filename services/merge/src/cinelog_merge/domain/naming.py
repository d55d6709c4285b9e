"""What a file says about the film: which of the source's tags and chapters are taken over. Pure."""

from collections.abc import Mapping, Sequence

from cinelog_common.cmaf.userdata import Mark
from cinelog_common.contract.values import Chapter

TAGS = (
    "title",
    "artist",
    "album",
    "album_artist",
    "composer",
    "genre",
    "date",
    "comment",
    "description",
    "copyright",
)
"""Names as libavformat spells them, whatever the container calls them."""
_LATE_S = 0.5
"""A chapter that begins this close to the end would be over before it is seen."""


def told_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that are about the film, not about the file that it lay in."""
    lowered = {name.lower(): value.strip() for name, value in tags.items()}
    found = {name: lowered[name] for name in TAGS if lowered.get(name)}
    date = found.get("date", "")
    if len(date) == 8 and date.isdigit():
        # As yt-dlp writes it; files and people want it apart.
        found["date"] = f"{date[:4]}-{date[4:6]}-{date[6:]}"
    return found


def marks(chapters: Sequence[Chapter], duration_s: float) -> tuple[Mark, ...]:
    """Return where chapters begin: in order, each within the film, none at the same time as another."""
    found: dict[int, Mark] = {}
    for chapter in sorted(chapters, key=lambda one: one.start_s):
        start_ms = max(0, round(chapter.start_s * 1000))
        if chapter.start_s < duration_s - _LATE_S or start_ms == 0:
            title = " ".join(chapter.title.split())
            found.setdefault(start_ms, Mark(start_ms=start_ms, title=title or f"Chapter {len(found) + 1}"))
    return tuple(found.values())
