"""The merge service's settings."""

from cinelog_common.settings import SettingsBase
from pydantic import Field


class Settings(SettingsBase):
    """Read from `CINELOG_*` variables."""

    account: str = "local"
    """Whose jobs the requests on `cinelog.jobs.requested` are."""
    merge_slots: int = Field(default=4, ge=1, le=64)
    """Playlists and joins at a time."""
    join_slots: int = Field(default=2, ge=1, le=64)
    """Processes that join."""
    warm_after_s: float | None = Field(default=None, ge=0)
    """Start a process that joins so long after the start; None waits until there is a job for it."""
    child_idle_s: float = Field(default=20.0, ge=0)
    """How long a process that joins is kept for the next join."""
