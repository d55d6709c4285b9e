"""The servers of a deployment, from the environment."""

import pytest
from cinelog.settings import DeploymentSettings, declared_pools
from cinelog_common.settings import SettingsError, load


@pytest.mark.parametrize(
    ("text", "pools"),
    [
        ("cpu", {"cpu": 0}),
        ("cpu:32,nvidia:8", {"cpu": 32, "nvidia": 8}),
        (" cpu : 4 , amd ", {"cpu": 4, "amd": 0}),
        ("cpu,", {"cpu": 0}),
    ],
)
def test_pools_are_declared_with_the_slots_they_may_scale_to(text: str, pools: dict[str, int]) -> None:
    assert declared_pools(text) == pools


@pytest.mark.parametrize("text", ["", ",", "gpu", "cpu:-3", "cpu:many", "cpu:1:2", "cpu,cpu", "cpu:1e9"])
def test_pools_that_are_none_are_refused_when_settings_are_read(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("CINELOG_POOLS", text)

    with pytest.raises(SettingsError, match="CINELOG_POOLS"):
        load(DeploymentSettings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CINELOG_PARTITIONS", "0"),
        ("CINELOG_PARTITIONS", "many"),
        ("CINELOG_REPLICATION", "10"),
        ("CINELOG_LOG_EPOCH", "-1"),
    ],
)
def test_a_number_out_of_range_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=name):
        load(DeploymentSettings)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINELOG_MONGO", "mongodb://user:hunter2@host")
    monkeypatch.setenv("CINELOG_S3_SECRET_KEY", "hunter3")

    settings = load(DeploymentSettings)

    assert "hunter" not in repr(settings)
