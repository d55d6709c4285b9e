"""The storage service's settings."""

from cinelog_common.settings import SettingsBase
from pydantic import Field


class Settings(SettingsBase):
    """Read from `CINELOG_*` variables."""

    publish_slots: int = Field(default=2, ge=1, le=64)
    """Runs that are published at a time."""
    warm_after_s: float | None = Field(default=None, ge=0)
    """Start a process that makes posters so long after the start; None waits until there is a job for it."""
    child_idle_s: float = Field(default=20.0, ge=0)
    """How long a process that makes posters is kept for the next one."""
