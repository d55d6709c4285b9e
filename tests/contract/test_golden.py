"""What was ever published decodes, whatever was added since."""

import json
from typing import Any

import golden
import msgspec
import pytest
from cinelog_common.contract.commands import COMMAND_TYPES
from cinelog_common.contract.envelope import open_command, open_event
from cinelog_common.contract.events import EVENT_TYPES
from cinelog_common.contract.status import JobStatus
from cinelog_common.contract.values import Value
from cinelog_merge.domain.state import decode_state
from events import FOLDER as DOCS
from events import message_types
from golden import Golden
from jsonschema.validators import validator_for
from schemas import schema_name

CORPUS = golden.corpus()
each_record = pytest.mark.parametrize("name", sorted(CORPUS))


@each_record
def test_a_record_that_was_once_published_decodes_and_encodes_again_without_loss(name: str) -> None:
    record = CORPUS[name]

    again = msgspec.json.decode(msgspec.json.encode(_decoded(record, record.body)))

    assert again == record.body


@each_record
def test_fields_that_are_not_known_are_ignored(name: str) -> None:
    record = CORPUS[name]
    strange = _with_strange_fields(record.body)

    decoded = _decoded(record, strange)

    assert decoded == _decoded(record, record.body) or record.type == "JobStatus"
    assert "field of tomorrow" not in msgspec.json.encode(_known(decoded)).decode()


@each_record
def test_a_record_fits_the_published_schema_of_its_type(name: str) -> None:
    record = CORPUS[name]
    path = DOCS / "schemas" / schema_name(message_types()[record.type])
    schema = json.loads(path.read_text())

    errors = [error.message for error in validator_for(schema)(schema).iter_errors(record.body)]

    assert errors == []


@each_record
def test_a_file_of_the_corpus_is_named_after_its_content_so_nobody_rewrites_it(name: str) -> None:
    assert golden.name_of(CORPUS[name]) == name


def test_nothing_ever_leaves_the_corpus() -> None:
    listed = golden.INDEX.read_text().split()

    assert sorted(listed) == sorted(CORPUS)


def test_every_member_of_the_contract_is_in_the_corpus_in_its_present_shape() -> None:
    wanted = {golden.name_of(sample) for sample in golden.samples()}

    assert wanted <= set(CORPUS), "run `python tools/golden.py` and commit what it adds"


def test_words_that_are_not_known_yet_decode_as_they_are() -> None:
    words = [(record, path) for record in CORPUS.values() for path in _open_words(record.body)]

    for record, path in words:
        body = _replaced(record.body, path, "word of tomorrow")
        assert "word of tomorrow" in msgspec.json.encode(_decoded(record, body)).decode()

    assert {path[-1] for _, path in words} >= {"state", "category", "kind", "outcome", "stage", "profile"}


def test_the_ledger_reads_every_state_that_a_snapshot_ever_carried() -> None:
    snapshots = [record.body for record in CORPUS.values() if record.type == "JobStatus"]
    carried = [body["ledger"] for body in snapshots if "job" in (body.get("ledger") or {})]

    states = [decode_state(msgspec.json.encode(state)) for state in carried]

    assert [state.job for state in states] == [state["job"] for state in carried]


def _decoded(record: Golden, body: dict[str, Any]) -> Value:
    """Return the value as a service gets it: through the envelope where there is one."""
    headers = [(name, value.encode()) for name, value in record.headers.items()]
    data = msgspec.json.encode(body)
    wire = record.headers.get("ce_type", "")
    if wire in EVENT_TYPES:
        return open_event(headers, data)
    if wire in COMMAND_TYPES:
        return open_command(headers, data)
    return msgspec.json.decode(data, type=message_types()[record.type])


def _known(value: Value) -> Value:
    """Return `value` without the ledger's part, which it carries unread."""
    return (
        msgspec.structs.replace(value, ledger=msgspec.Raw(b"null")) if isinstance(value, JobStatus) else value
    )


_MAPS = frozenset({"headers", "tags", "generations", "regenerate", "tracks", "recipes", "timings_s"})
"""Fields whose keys are data, not names of fields."""


def _with_strange_fields(node: Any, name: str = "") -> Any:
    if isinstance(node, list):
        return [_with_strange_fields(each, name) for each in node]
    if not isinstance(node, dict):
        return node
    inner = {key: _with_strange_fields(value, key) for key, value in node.items()}
    # `tracks` is a map in one type and a list of objects in another.
    is_map = (
        name in _MAPS and all(not isinstance(value, dict) for value in node.values()) and "name" not in node
    )
    return inner if is_map else {"field of tomorrow": {"deep": [1]}, **inner}


_OPEN = frozenset(
    {
        "state",
        "category",
        "kind",
        "outcome",
        "stage",
        "profile",
        "priority",
        "codec",
        "hardware",
        "video",
        "verify",
    }
)


def _open_words(node: Any, path: tuple[Any, ...] = ()) -> Any:
    if path and path[-1] in _OPEN and isinstance(node, str):
        yield path
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield from _open_words(value, (*path, key))


def _replaced(node: Any, path: tuple[Any, ...], word: str) -> Any:
    if not path:
        return word
    first, *rest = path
    if isinstance(node, list):
        return [_replaced(each, tuple(rest), word) if n == first else each for n, each in enumerate(node)]
    return {
        key: _replaced(value, tuple(rest), word) if key == first else value for key, value in node.items()
    }
