"""Footage is encoded once for all tests."""

import pytest
from cinelog_merge.joining_testing import Footage, clicks, pictures


@pytest.fixture(scope="session")
def film() -> Footage:
    return pictures()


@pytest.fixture(scope="session")
def sound() -> Footage:
    return clicks()


@pytest.fixture(scope="session")
def second_sound() -> Footage:
    return clicks("a1")
