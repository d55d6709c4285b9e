"""The servers of a deployment, from `CINELOG_*` variables."""

from pathlib import Path
from tempfile import gettempdir

from cinelog_common.contract.topics import POOLS
from cinelog_common.settings import SettingsBase
from pydantic import Field, SecretStr


class DeploymentSettings(SettingsBase):
    """Where Kafka, MongoDB and S3 are."""

    kafka: str = "127.0.0.1:9092"
    """host:port, several separated by commas."""
    partitions: int = Field(default=12, ge=1, le=10_000)
    """Of every topic with many keys; fixed when `cinelog topics apply` creates them."""
    replication: int = Field(default=1, ge=1, le=9)
    pools: str = "cpu"
    """Declared pools and the slots each may scale to: `cpu`, or `cpu:32,nvidia:8`."""
    mongo: SecretStr = SecretStr("mongodb://127.0.0.1:27017")
    mongo_database: str = "cinelog"
    s3_endpoint: str | None = None
    s3_bucket: str = "cinelog"
    s3_access_key: str | None = None
    s3_secret_key: SecretStr | None = None
    s3_region: str = "us-east-1"
    log_epoch: int = Field(default=1, ge=0)
    """Raised by hand when the log is made anew, so that its snapshots order above the old ones."""
    scratch: Path = Path(gettempdir()) / "cinelog"
    """A folder on this machine's own disk; surviving restarts saves downloads."""

    @property
    def declared(self) -> dict[str, int]:
        """The declared pools and their slots; 0 where none are given, which counts only live workers.

        Raises:
            ValueError: An unknown pool or a number that is none.
        """
        found = {}
        for part in filter(None, (part.strip() for part in self.pools.split(","))):
            name, _, slots = part.partition(":")
            if name not in POOLS:
                raise ValueError(f"There is no pool {name!r}; choose {', '.join(POOLS)}.")
            found[name] = int(slots or 0)
        return found
