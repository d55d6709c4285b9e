"""What a test does when something real is not to be had: skip, or fail where skipping is forbidden."""

import os
from typing import NoReturn


class UnavailableError(Exception):
    """Something real cannot be had on this machine; the message names what is missing."""


def real_required() -> bool:
    """Tell whether a missing server is a failure (CI sets CINELOG_REQUIRE_REAL=1)."""
    return os.environ.get("CINELOG_REQUIRE_REAL", "") not in ("", "0")


def give_up(reason: str) -> NoReturn:
    """End the running test: as a failure where the real thing is required, else as a skip."""
    import pytest

    if real_required():
        pytest.fail(f"{reason} (and CINELOG_REQUIRE_REAL forbids skipping)", pytrace=False)
    pytest.skip(reason)
