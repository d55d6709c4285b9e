"""docs/events is what the types say, and a valid AsyncAPI document."""

import json
from pathlib import Path
from typing import Any

import events
import jsonschema
import pytest
import yaml
from cinelog_common.contract import topics
from cinelog_common.contract.commands import COMMANDS
from cinelog_common.contract.events import EVENTS
from jsonschema.validators import validator_for

HERE = Path(__file__).parent
STANDARD = json.loads((HERE / "asyncapi" / "3.0.0.json").read_text())


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((events.FOLDER / "asyncapi.yaml").read_text())
    return loaded


def test_the_committed_files_are_what_the_types_say() -> None:
    wanted = events.files()

    found = {
        str(path.relative_to(events.FOLDER)): path.read_text()
        for path in (events.FOLDER / "asyncapi.yaml", *(events.FOLDER / "schemas").glob("*.json"))
    }

    different = {name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)}
    assert different == set(), "run `make docs` and commit what it writes"


def test_generating_twice_gives_the_same_bytes() -> None:
    first = events.files()

    second = events.files()

    assert first == second


def test_the_document_is_valid_by_the_standards_own_schema(document: dict[str, Any]) -> None:
    validator = validator_for(STANDARD)(STANDARD)

    errors = [f"{list(error.path)}: {error.message[:200]}" for error in validator.iter_errors(document)]

    assert errors == []


def test_the_standards_schema_notices_a_broken_document(document: dict[str, Any]) -> None:
    broken = {**document, "operations": {"x": {"action": "shout", "channel": {"$ref": "#/channels/events"}}}}

    with pytest.raises(jsonschema.ValidationError):
        validator_for(STANDARD)(STANDARD).validate(broken)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = list(_references(document))

    lost = [reference for reference in references if not _resolves(reference, document)]

    assert len(references) > 100
    assert lost == []


def test_every_event_and_command_is_a_message_with_cloudevent_headers(document: dict[str, Any]) -> None:
    messages = document["components"]["messages"]

    for kind in (*EVENTS, *COMMANDS):
        message = messages[kind.__name__]
        assert message["name"] == kind.type
        assert message["headers"]["allOf"][1]["properties"]["ce_type"]["const"] == kind.type


def test_every_event_is_on_the_channel_of_events(document: dict[str, Any]) -> None:
    carried = document["channels"]["events"]["messages"]

    assert set(carried) == {kind.__name__ for kind in EVENTS}


def test_every_command_is_on_the_channel_of_one_work_topic(document: dict[str, Any]) -> None:
    work = {name: page for name, page in document["channels"].items() if name.startswith("work")}

    carried = [message for name, page in work.items() if name != "workers" for message in page["messages"]]

    assert sorted(carried) == sorted(kind.__name__ for kind in COMMANDS)


def test_every_topic_is_a_channel_with_its_cleanup_and_retention(document: dict[str, Any]) -> None:
    channels = {page["address"]: page["bindings"]["kafka"] for page in document["channels"].values()}

    for topic in topics.topics(partitions=events.PARTITIONS, pools=("cpu",)):
        address = events.ENCODE_TOPIC if ".encode." in topic.name else topic.name
        settings = channels[address]["topicConfiguration"]
        assert settings["cleanup.policy"] == [topic.cleanup]
        assert settings.get("retention.ms") == topic.retention_ms
        assert channels[address]["partitions"] == topic.partitions


def test_every_schema_is_one_itself() -> None:
    for path in sorted((events.FOLDER / "schemas").glob("*.json")):
        schema = json.loads(path.read_text())
        validator_for(schema).check_schema(schema)


def _references(node: object) -> Any:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _resolves(reference: str, document: Any) -> bool:
    if not reference.startswith("#/"):
        return (events.FOLDER / reference).is_file()
    for part in reference.removeprefix("#/").split("/"):
        if part not in document:
            return False
        document = document[part]
    return True
