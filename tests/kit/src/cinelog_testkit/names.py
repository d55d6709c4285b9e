"""Names that no other test uses, so that tests share a server without meeting each other."""

import uuid


def unique(prefix: str = "t") -> str:
    """Return `prefix` with a random end: a sound topic, group, database and bucket name."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"
