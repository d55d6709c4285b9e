"""What the documents say of the code is asked of the code."""

import re
from pathlib import Path

import pytest
from cinelog.commands.run import command as run_command
from cinelog.main import cli
from cinelog.settings import DeploymentSettings
from cinelog_common.contract import topics
from cinelog_common.contract.options import PROFILES
from cinelog_common.contract.status import JobState
from cinelog_common.settings import SettingsBase
from cinelog_download.settings import Settings as Download
from cinelog_gateway.settings import Settings as Gateway
from cinelog_merge.domain.retrying import MAX_ATTEMPTS
from cinelog_merge.settings import Settings as Merge
from cinelog_storage.settings import Settings as Storage
from cinelog_transcode.settings import Settings as Transcode
from click import Context

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
README = (ROOT / "README.md").read_text()
STATES = (ROOT / "docs" / "states.md").read_text()
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/*/README.md")]
FOLDERS = "libs|services|cli|tests|tools|docs|requirements|benchmarks|examples"


@pytest.mark.parametrize("settings", [DeploymentSettings, Merge, Download, Transcode, Storage, Gateway])
def test_every_setting_of_every_service_is_explained(settings: type[SettingsBase]) -> None:
    prefix = str(settings.model_config.get("env_prefix"))
    variables = {(prefix + name).upper() for name in settings.model_fields}

    explained = set(re.findall(r"`(CINELOG_[A-Z0-9_]+)`", OPERATIONS))

    assert variables <= explained


def test_no_setting_is_explained_that_is_not_there() -> None:
    known = {
        (str(kind.model_config.get("env_prefix")) + name).upper()
        for kind in (DeploymentSettings, Merge, Download, Transcode, Storage, Gateway)
        for name in kind.model_fields
    }

    explained = set(re.findall(r"`(CINELOG_[A-Z0-9_]+)`", OPERATIONS + README))

    assert explained - known <= {"CINELOG_SERVER"}


def test_every_option_and_profile_of_run_is_in_the_readme() -> None:
    options = {name for option in run_command.params for name in option.opts if name.startswith("--")}

    missing = {name for name in options if f"`{name}" not in README and f"{name} " not in README}

    assert missing - {"--verbose", "--help"} == set()
    assert [name for name in PROFILES if f"| `{name}`" not in README] == []


def test_every_command_is_mentioned() -> None:
    names = cli.list_commands(Context(cli))

    assert [name for name in names if f"cinelog {name}" not in README] == []


def test_every_topic_is_in_the_operators_table() -> None:
    wanted = {topic.name for topic in topics.topics(partitions=1) if ".encode." not in topic.name}

    assert [name for name in sorted(wanted) if f"`{name}`" not in OPERATIONS] == []


def test_every_state_is_drawn_and_every_number_of_attempts_is_told() -> None:
    assert [state for state in JobState if state not in STATES] == []
    rows = dict(re.findall(r"^\| `(\w+)`(?:, a result)? \|.*?\| (\d+) \|", STATES, re.MULTILINE))
    kinds = {"FetchSource": "fetch", "ProbeQuality": "probe", "EncodeSegment": "encode"}
    kinds |= {"ExtendPlaylist": "extend", "AssembleOutput": "assemble", "PublishOutput": "publish"}
    assert {kinds[name]: int(number) for name, number in rows.items()} == MAX_ATTEMPTS


def test_every_lettered_edge_has_one_cause() -> None:
    for chart in STATES.split("```mermaid")[1:]:
        drawn = set(re.findall(r"-->.*: (\w)$", chart, re.MULTILINE))
        told = re.findall(r"^\| (\w) \|", chart, re.MULTILINE)
        assert drawn == set(told)
        assert len(told) == len(set(told))


def test_every_file_that_a_document_names_is_there() -> None:
    named = [
        (path.name, name)
        for path in DOCUMENTS
        for name in re.findall(rf"`((?:{FOLDERS})/[A-Za-z0-9_./-]+)`", path.read_text())
    ]

    lost = [each for each in named if not (ROOT / each[1]).exists()]

    assert len(named) > 50
    assert lost == []
