"""The only reader of the gateway's environment."""

from cinelog_common.settings import SettingsBase
from pydantic import Field


class Settings(SettingsBase):
    """How the gateway listens, and how much it takes. Variables are `CINELOG_GATEWAY_<NAME>`."""

    model_config = {**SettingsBase.model_config, "env_prefix": "CINELOG_GATEWAY_"}

    host: str = "127.0.0.1"
    """Address to listen on. There are no accounts: keep it on loopback unless something in front checks."""
    port: int = Field(default=8080, ge=0, le=65535)
    """0 takes a free one."""
    account: str = Field(default="local", pattern=r"^[A-Za-z0-9._@-]{1,64}$")
    """Whose jobs the requests are."""
    allowed_hosts: str = ""
    """Names under which browsers reach this gateway, parted by commas; loopback always may."""
    allowed_origins: str = ""
    """Foreign origins such as `https://app.example` whose pages may submit and watch, parted by commas."""
    max_body_bytes: int = Field(default=64 << 10, ge=1024, le=16 << 20)
    """Of one request."""
    body_timeout_s: float = Field(default=10.0, gt=0)
    """How long a request's body may take to arrive."""
    max_connections: int = Field(default=1000, ge=8)
    max_watchers: int = Field(default=400, ge=1)
    """WebSockets at a time."""
    max_jobs: int = Field(default=10_000, ge=16)
    """Snapshots kept in memory; older ones are read from the documents."""
    ping_interval_s: float = Field(default=20.0, gt=0)
    patience_s: float = Field(default=2.0, gt=0)
    """How long a request waits to see its effect before it is answered with 202."""

    def hosts(self) -> frozenset[str]:
        """Return the allowed host names."""
        return _parted(self.allowed_hosts)

    def origins(self) -> frozenset[str]:
        """Return the allowed foreign origins."""
        return _parted(self.allowed_origins)


def _parted(text: str) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in text.split(",") if part.strip())
