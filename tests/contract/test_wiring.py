"""The document says who sends and receives what; the code is asked whether that is so."""

import ast
from collections.abc import Iterator
from pathlib import Path

import wiring
from cinelog_common.contract import topics
from cinelog_common.contract.commands import COMMANDS
from cinelog_common.contract.events import EVENTS

ROOT = Path(__file__).parents[2]
NAMES = frozenset(kind.__name__ for kind in (*EVENTS, *COMMANDS))
SHARED = {
    # What every worker says of work that failed, and the edge every worker has.
    "download": {"WorkFailed"},
    "transcode": {"WorkFailed"},
    "storage": {"WorkFailed"},
    # Admission builds its request with the parser of the contract.
    "merge": {"WorkFailed", "JobRequested"},
    # The journal's events, through the gateway's promises.
    "gateway": {"JobCancelRequested", "JobRetried"},
}


def test_each_service_sends_what_its_code_builds_and_nothing_else() -> None:
    for service, shared in SHARED.items():
        built = set(_built(service)) | shared
        sent = {name for names in wiring.SENDS[service].values() for name in names} & NAMES
        assert sent == built, service


def test_each_service_receives_the_commands_that_it_has_handlers_for() -> None:
    commands = {kind.__name__ for kind in COMMANDS}
    for service in ("download", "merge", "storage", "transcode"):
        handled = set(_handled(service)) & commands
        received = {
            name
            for topic, names in wiring.RECEIVES[service].items()
            if topic.startswith("cinelog.work.")
            for name in names
        }
        assert received == handled, service


def test_the_ledger_receives_every_event() -> None:
    received = wiring.RECEIVES["merge"][topics.EVENTS]

    assert set(received) == {kind.__name__ for kind in EVENTS}


def _sources(service: str) -> Iterator[ast.Module]:
    for path in (ROOT / "services" / service / "src").rglob("*.py"):
        if "testing" not in path.name:
            yield ast.parse(path.read_text())


def _built(service: str) -> Iterator[str]:
    for tree in _sources(service):
        patterns = {id(node.cls) for node in ast.walk(tree) if isinstance(node, ast.MatchClass)}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and id(node.func) not in patterns
            ):
                yield from {node.func.id} & NAMES


def _handled(service: str) -> Iterator[str]:
    """Yield the keys of the mappings from command types to handlers."""
    for tree in _sources(service):
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                yield from (key.id for key in node.keys if isinstance(key, ast.Name))
