from typing import Self

import pytest
from cinelog_common.errors import Category
from cinelog_common.settings import SettingsBase, SettingsError, load
from pydantic import Field, SecretStr, ValidationError, model_validator


class Settings(SettingsBase):
    model_config = {**SettingsBase.model_config, "env_prefix": "CINELOG_SAMPLE_"}

    slots: int = Field(default=2, ge=1)
    chunk_bytes: int = 1024
    secret: SecretStr = SecretStr("")
    pools: dict[str, int] = {}
    most: int = 10

    @model_validator(mode="after")
    def _slots_fit(self) -> Self:
        if self.slots > self.most:
            raise ValueError("more slots than there may be")
        return self


def test_a_variable_beats_the_default_and_an_override_beats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINELOG_SAMPLE_SLOTS", "3")
    monkeypatch.setenv("CINELOG_SAMPLE_CHUNK_BYTES", "7")
    monkeypatch.setenv("CINELOG_SAMPLE_POOLS", '{"cpu": 2}')

    settings = load(Settings, chunk_bytes=9)

    assert (settings.slots, settings.chunk_bytes, settings.pools) == (3, 9, {"cpu": 2})


def test_every_wrong_variable_is_named_at_once_and_no_value_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINELOG_SAMPLE_SLOTS", "0")
    monkeypatch.setenv("CINELOG_SAMPLE_CHUNK_BYTES", "hunter2")
    monkeypatch.setenv("CINELOG_SAMPLE_POOLS", '{"cpu": "many"}')

    with pytest.raises(SettingsError) as caught:
        load(Settings)

    assert "CINELOG_SAMPLE_SLOTS: Input should be greater than or equal to 1" in caught.value.message
    assert "CINELOG_SAMPLE_CHUNK_BYTES: " in caught.value.message
    assert "CINELOG_SAMPLE_POOLS[cpu]: " in caught.value.message
    assert "hunter2" not in caught.value.message
    assert caught.value.category is Category.INVALID_REQUEST


def test_a_mapping_that_is_no_json_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINELOG_SAMPLE_POOLS", "{cpu=hunter2")

    with pytest.raises(SettingsError, match="pools") as caught:
        load(Settings)

    assert "hunter2" not in caught.value.message


def test_settings_that_are_wrong_together_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"CINELOG_SAMPLE_\*: .*more slots than there may be"):
        load(Settings, slots=11)


def test_settings_never_change_and_hide_their_secrets() -> None:
    settings = load(Settings, secret="hunter2")

    with pytest.raises(ValidationError):
        settings.slots = 5
    assert "hunter2" not in repr(settings)
