"""Adds messages to the golden corpus: what was ever published must decode for ever.

    python tools/golden.py             one sample for every type and shape that the corpus lacks
    python tools/golden.py < RECORDS   real records, one JSON object a line, as `kcat -C -J` prints them

A file is named after its content, so an old one cannot be rewritten unseen, and
the index only grows. A type's shape is the set of its fields: a new field asks
for a new sample beside the old ones.
"""

import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from cinelog_common.contract import topics
from cinelog_common.contract.envelope import header_map, seal
from cinelog_common.contract.values import Value
from events import message_types
from samples import sample
from schemas import schema_name
from wiring import SENDS

FOLDER = Path(__file__).parent.parent / "tests" / "contract" / "golden"
INDEX = FOLDER / "index.txt"
NOON_S = 1_767_268_800.0
"""When samples say they were made."""

_PLAIN = {
    topics.STATUS: "JobStatus",
    topics.CONTROL: "Control",
    topics.PROGRESS: "Progress",
    topics.WORKERS: "WorkerBeat",
}


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """One record as it was published."""

    type: str
    """The name of its class."""
    topic: str
    key: str | None
    headers: dict[str, str]
    body: dict[str, Any]


def corpus() -> dict[str, Golden]:
    """Return every record of the corpus, by its file's name."""
    return {
        path.name: msgspec.json.decode(path.read_bytes(), type=Golden)
        for path in sorted(FOLDER.glob("*.json"))
    }


def name_of(golden: Golden) -> str:
    """Return the name that a record's file must have."""
    digest = hashlib.blake2b(msgspec.json.encode(golden, order="deterministic"), digest_size=6).hexdigest()
    return f"{schema_name(message_types()[golden.type]).removesuffix('.json')}.{digest}.json"


def samples() -> Iterator[Golden]:
    """Yield one record of every type with every field, and one with the required fields only."""
    for kind in message_types().values():
        for full in (True, False):
            yield _golden(kind, sample(kind, full=full))


def from_kcat(lines: Iterable[str]) -> Iterator[Golden]:
    """Yield the records in lines that `kcat -C -J` printed; what is not ours is left out."""
    by_wire = {getattr(kind, "type", ""): name for name, kind in message_types().items()}
    for line in filter(None, map(str.strip, lines)):
        record = msgspec.json.decode(line)
        pairs = record.get("headers") or []
        headers = header_map(
            [(name, value.encode()) for name, value in zip(pairs[::2], pairs[1::2], strict=True)]
        )
        name = by_wire.get(headers.get("ce_type", "-")) or _PLAIN.get(record["topic"])
        if name is None or record.get("payload") is None:
            continue
        yield Golden(
            type=name,
            topic=record["topic"],
            key=record.get("key"),
            headers=headers,
            body=msgspec.json.decode(record["payload"]),
        )


def _golden(kind: type[Value], value: Any) -> Golden:
    topic = next(
        topic.replace("{pool}", "cpu").replace("{priority}", "normal")
        for table in (*SENDS.values(), {topics.EVENTS: ("JobDeleted",)})
        for topic, names in table.items()
        if kind.__name__ in names
    )
    if not hasattr(kind, "type"):
        key = value.worker if hasattr(value, "worker") else value.job
        return Golden(type=kind.__name__, topic=topic, key=key, headers={}, body=_body(value))
    message = seal(value, source="/cinelog/sample", now=NOON_S)
    return Golden(
        type=kind.__name__,
        topic=topic,
        key=None if ".encode." in topic else message.key.decode(),
        headers=header_map(message.headers),
        body=_body(value),
    )


def _body(value: Any) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return body


def main() -> None:
    """Add what is missing; never touch what is there."""
    found = (
        samples() if sys.stdin.isatty() or not (piped := sys.stdin.read()) else from_kcat(piped.splitlines())
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    for golden in found:
        path = FOLDER / name_of(golden)
        if path.exists():
            continue
        path.write_bytes(msgspec.json.format(msgspec.json.encode(golden), indent=2) + b"\n")
        with INDEX.open("a") as index:
            index.write(path.name + "\n")
        print(f"added  {path.name}")


if __name__ == "__main__":
    main()
