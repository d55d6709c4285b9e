"""How the command runs: a deployment by `CINELOG_*` variables, one process by its options."""

import os
import re
from pathlib import Path
from tempfile import gettempdir

import msgspec
from cinelog_common.contract.topics import POOLS
from cinelog_common.settings import SettingsBase
from pydantic import Field, SecretStr, field_validator


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
    session_s: float = Field(default=15.0, ge=6, le=300)
    """Silence after which a member's work goes to another one; brokers take 6 s and more."""
    scratch: Path = Path(gettempdir()) / "cinelog"
    """A folder on this machine's own disk; surviving restarts saves downloads."""

    @property
    def declared(self) -> dict[str, int]:
        """The declared pools and their slots; 0 where none are given, which counts only live workers."""
        return declared_pools(self.pools)

    @field_validator("pools")
    @classmethod
    def _declare(cls, pools: str) -> str:
        declared_pools(pools)
        return pools


class StandaloneSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the one process runs.

    Attributes:
        data: Folder for documents, objects and scratch; made if it is missing.
        slots: Segments encoded at a time.
        nice: How far encoders stand back, so that the rest of the machine stays quick.
        allow_private_sources: Whether files and private addresses may be sources.
        allow_local_cookies: Whether a source may name cookies of this machine.
        limit_rate: Bytes per second that all sources together may take; None is as many as come.
        host: Address to listen on; None for no HTTP at all.
        hardware: Whether other encoders than the processor's are looked for.
    """

    data: Path
    slots: int = os.cpu_count() or 2
    nice: int = 5
    allow_private_sources: bool = False
    allow_local_cookies: bool = False
    limit_rate: int | None = None
    host: str | None = None
    port: int = 8080
    hardware: bool = True


def declared_pools(text: str) -> dict[str, int]:
    """Return the pools that `text` declares, and their slots.

    Raises:
        ValueError: None at all, an unknown one, one twice, or slots that are no number.
    """
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, slots = (piece.strip() for piece in part.partition(":"))
        if name not in POOLS or name in found:
            raise ValueError(f"{name!r} is no pool, or named twice; choose of {', '.join(POOLS)}")
        if not re.fullmatch(r"[0-9]{0,6}", slots):
            raise ValueError(f"{slots!r} is no number of slots")
        found[name] = int(slots or 0)
    if not found:
        raise ValueError(f"no pool is declared; choose of {', '.join(POOLS)}")
    return found
