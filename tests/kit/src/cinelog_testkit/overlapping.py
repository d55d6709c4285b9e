"""What waits more than it works, begun at once and looked at by one test after the other."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pytest

Result = TypeVar("Result")
_AT_ONCE = 4
"""A call keeps less than one processor busy, and machines that test have two."""


@contextmanager
def begun(calls: Mapping[str, Callable[[], Result]]) -> Iterator[dict[str, "Future[Result]"]]:
    """Make every call on a thread, a few at once: commands load, wait and work at different times."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield {name: pool.submit(call) for name, call in calls.items()}


def names_chosen(request: pytest.FixtureRequest, parameter: str = "name") -> list[str]:
    """Return each value of a parameter that the chosen tests of the requesting module have."""
    found = {
        str(item.callspec.params[parameter]): None
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path == request.path
        and hasattr(item, "callspec")
        and parameter in item.callspec.params
    }
    return list(found)
