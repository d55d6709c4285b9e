"""Which objects of a job the world may read, under which names, and how long it may keep them."""

import re
from urllib.parse import quote

from cinelog_common.contract import keys
from cinelog_common.contract.values import Value

FOLDERS = frozenset({"live", "encoded", "output"})
"""Never `source`: those are the packets of what may be somebody else's film."""

_JOB = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MAX_PATH = 700
_TYPES = {
    "m3u8": "application/vnd.apple.mpegurl",
    "mpd": "application/dash+xml",
    "mp4": "video/mp4",
    "m4s": "video/mp4",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "webm": "video/webm",
    "weba": "audio/webm",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "vtt": "text/vtt; charset=utf-8",
    "json": "application/json",
}
_OPAQUE = "application/octet-stream"
_YEAR_S = 31_536_000
_UNSAFE_NAME = re.compile(r'[\x00-\x1f\x7f"\\/:*?<>|]+')
_BEYOND_ASCII = re.compile(r"[^\x20-\x7e]+|%+")
_MAIN = frozenset({"mp4", "webm", "m4a", "mp3", "opus"})
"""Of these a run makes one each, so the title alone names it."""


class Place(Value, frozen=True, kw_only=True):
    """One object of one run, by its path below the run."""

    job: str
    run: int
    path: str

    @property
    def key(self) -> str:
        """The object's key."""
        return keys.run_prefix(self.job, self.run) + self.path

    @property
    def suffix(self) -> str:
        """What follows the last dot, in lower case."""
        name = self.path.rpartition("/")[2]
        return name.rpartition(".")[2].lower() if "." in name else ""

    @property
    def content_type(self) -> str:
        """The media type, from the suffix alone: content is never sniffed."""
        return _TYPES.get(self.suffix, _OPAQUE)

    @property
    def opaque(self) -> bool:
        """Whether a browser should save it and not show it."""
        return self.content_type == _OPAQUE

    @property
    def mutable(self) -> bool:
        """Whether the object may be replaced: the live playlists, and nothing else."""
        return self.path.startswith("live/")


def is_job_id(text: str) -> bool:
    """Whether `text` can be the id of a job."""
    return _JOB.fullmatch(text) is not None


def place(job: str, run: int, path: str) -> Place | None:
    """Return the object at `path` (already percent-decoded, once) of a run; None if nobody may read it."""
    parts = path.split("/")
    if len(path) > _MAX_PATH or len(parts) < 2 or parts[0] not in FOLDERS:
        return None
    if not all(_sound(part) for part in parts):
        return None
    return Place(job=job, run=run, path=path)


def _sound(part: str) -> bool:
    return bool(part) and not part.startswith(".") and "\\" not in part and part.isprintable()


def cache_control(place: Place, *, pinned: bool) -> str:
    """Return how long an answer may be kept.

    Objects are created once, so what is named with its run never changes. Without the run the same
    name means another object after a retry, and live playlists grow: those are asked for again, which
    costs no body while the entity tag stays the same.
    """
    if place.mutable or not pinned:
        return "private, no-cache"
    return f"private, max-age={_YEAR_S}, immutable"


def files_url(job: str, run: int, key: str | None = None) -> str | None:
    """Return where the object `key` of a run is read, or the folder of all; None for a foreign key."""
    base = f"/api/v1/jobs/{job}/runs/{run}/files/"
    if key is None:
        return base
    prefix = keys.run_prefix(job, run)
    if not key.startswith(prefix) or place(job, run, key.removeprefix(prefix)) is None:
        return None
    return base + quote(key.removeprefix(prefix))


def disposition(place: Place, title: str) -> str:
    """Return a Content-Disposition that saves the object (RFC 6266), named after the title."""
    name = place.path.rpartition("/")[2]
    kept = " ".join(_UNSAFE_NAME.sub(" ", title).split())[:120].strip(" .")
    if kept and place.path.startswith("output/"):
        name = f"{kept}.{place.suffix}" if place.suffix in _MAIN else f"{kept} {name}"
    name = _UNSAFE_NAME.sub(" ", name)
    plain = _BEYOND_ASCII.sub("_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
