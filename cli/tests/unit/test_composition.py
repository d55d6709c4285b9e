"""The five services are built from their settings, by name."""

from importlib import import_module

import pytest
from cinelog.composition import SERVICES
from cinelog_common.settings import SettingsBase, load


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_settings_that_need_nothing_and_a_composition(name: str) -> None:
    settings = load(import_module(f"cinelog_{name}.settings").Settings)

    assert isinstance(settings, SettingsBase)
    assert callable(import_module(f"cinelog_{name}.main").build)
