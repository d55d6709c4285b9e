from collections.abc import Iterator

import pytest
from cinelog_fastio import backend
from cinelog_fastio.kernel import Kernel


# Of the module, not of the function: Hypothesis runs one function many times under one kernel.
@pytest.fixture(scope="module", params=["native", "pure"])
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    """Put one of the two kernels in place for all tests of a module."""
    chosen, before = backend.choose(request.param), backend.kernel
    backend.kernel = chosen
    yield chosen
    backend.kernel = before
