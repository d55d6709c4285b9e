"""The only reader of download's environment."""

from cinelog_common.settings import SettingsBase
from pydantic import Field

_MIB = 1 << 20


class Settings(SettingsBase):
    """How sources are brought in. Variables are `CINELOG_DOWNLOAD_<NAME>`."""

    model_config = {**SettingsBase.model_config, "env_prefix": "CINELOG_DOWNLOAD_"}

    slots: int = Field(default=4, ge=1, le=64)
    """Sources fetched side by side."""
    allow_private_sources: bool = False
    """Whether loopback, link-local and private addresses, and files of this machine, may be sources."""
    allow_local_cookies: bool = False
    """Whether a source may name a cookie file or a browser of this machine."""
    max_source_bytes: int = Field(default=256 << 30, ge=1)
    max_pixels: int = Field(default=8192 * 4320, ge=1)
    """Pixels of one picture."""
    max_duration_s: float = Field(default=24 * 3600.0, gt=0)
    max_frames: int = Field(default=24 * 3600 * 240, ge=1)
    """Pictures of one source."""
    max_streams: int = Field(default=64, ge=1)
    max_sounds: int = Field(default=8, ge=1, le=16)
    """Sound tracks of one source that are used: each is a whole encode."""
    max_units: int = Field(default=20_000, ge=1)
    """Work units of one job."""
    chunk_bytes: int = Field(default=8 * _MIB, ge=65_536)
    """What may be fetched twice after a crash."""
    limit_rate: int | None = Field(default=None, ge=32 * 1024)
    """Bytes per second that all fetches together may take; none is as many as come."""
    connect_timeout_s: float = Field(default=10.0, gt=0)
    answer_timeout_s: float = Field(default=30.0, gt=0)
    stall_window_s: float = Field(default=30.0, gt=0)
    page_timeout_s: float = Field(default=90.0, gt=0)
    """How long reading a page may take."""
    demuxer_memory_bytes: int = Field(default=4 << 30, ge=256 * _MIB)
    """Address space of one demuxing child: what hostile media may allocate at most."""
    child_idle_s: float = Field(default=30.0, gt=0)
    """Demuxing children are kept warm for so long."""
    scratch_keep_s: float = Field(default=7 * 86_400.0, gt=0)
    """Part files that nobody touched for so long are removed at start."""
