"""The environment, and what becomes of it."""

import pytest
from cinelog_common.settings import SettingsError, load
from cinelog_download.main import fetch_policy
from cinelog_download.settings import Settings


def test_private_sources_are_refused_unless_allowed() -> None:
    assert not fetch_policy(load(Settings)).addresses.allow_private
    assert fetch_policy(load(Settings, allow_private_sources=True)).addresses.allow_private


def test_every_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINELOG_DOWNLOAD_SLOTS", "none")
    monkeypatch.setenv("CINELOG_DOWNLOAD_MAX_PIXELS", "-1")

    with pytest.raises(SettingsError) as caught:
        load(Settings)

    assert "SLOTS" in caught.value.message
    assert "MAX_PIXELS" in caught.value.message
