"""The only reader of transcode's environment."""

from cinelog_common.contract.topics import POOLS
from cinelog_common.settings import SettingsBase
from pydantic import Field


class Settings(SettingsBase):
    """How this worker encodes. Variables are `CINELOG_TRANSCODE_<NAME>`."""

    model_config = {**SettingsBase.model_config, "env_prefix": "CINELOG_TRANSCODE_"}

    pool: str = Field(default="cpu", pattern=f"^({'|'.join(POOLS)})$")
    """The vendor whose encoders this worker offers."""
    required: bool = True
    """Whether this worker must be of use: one that is not required proves its encoders first, and takes no
    work, tells nothing and is ready all the same if none of them works."""
    device_decoding: bool = True
    """Decode on the pool's device too, where that shows the same bits as the processor."""
    slots: int = Field(default=0, ge=0, le=256)
    """Units encoded side by side; 0 means one per core."""
    cores: int = Field(default=0, ge=0, le=1024)
    """Cores that encoders may use together; 0 means all that this process may use."""
    stall_s: float = Field(default=120.0, gt=0)
    """An encoder that reports nothing for so long is ended, and its unit tried again."""
    child_idle_s: float = Field(default=30.0, gt=0)
    """Encoder processes are kept warm for so long."""
    warm: bool = False
    """Start the encoder processes at once: worth their memory where a job is sure to come."""
    nice: int = Field(default=5, ge=0, le=19)
    """How far encoders stand back, so that the log and the download stay quick."""
    max_pixels: int = Field(default=1 << 26, ge=1 << 12)
    """Larger pictures are refused before they are allocated."""
    thumbnail_every_s: float = Field(default=2.0, ge=0.1)
    thumbnail_width: int = Field(default=640, ge=16, le=3840)
    """Of the poster too: 0.1 to 0.2 % of what x264 at its medium preset takes for the frames between two."""
    beat_s: float = Field(default=3.0, gt=0)
    """Between heartbeats."""
