"""Writes docs/events from the types: the AsyncAPI document and one JSON Schema per message.

Two runs write the same bytes. Whoever changes the contract runs this again
(`make docs`) and commits the difference; a test holds the two together.
"""

import inspect
from pathlib import Path
from typing import Any

import msgspec
import yaml
from cinelog_common.contract import topics
from cinelog_common.contract.commands import COMMANDS
from cinelog_common.contract.events import EVENTS, Event
from cinelog_common.contract.status import Control, JobStatus, Progress, WorkerBeat
from cinelog_common.contract.values import Value
from cinelog_common.kafka.dead_letters import PREFIX
from schemas import kebab, request_schema, schema, schema_name
from wiring import DEAD_LETTER, ENCODE_TOPIC, RECEIVES, REQUEST, SENDS

FOLDER = Path(__file__).parent.parent / "docs" / "events"
VERSION = "1"
PARTITIONS = 12
"""The default of `CINELOG_PARTITIONS`."""

_SCHEMA_FORMAT = "application/schema+json;version=2020-12"
_SNAPSHOTS: tuple[type[Value], ...] = (JobStatus, Control, Progress, WorkerBeat)


class Page(dict[str, Any]):
    """A mapping that is written in the order it was filled."""


def message_types() -> dict[str, type[Value]]:
    """Return every type that crosses between services, by its name."""
    return {kind.__name__: kind for kind in (*EVENTS, *COMMANDS, *_SNAPSHOTS)}


def files() -> dict[str, str]:
    """Return every file below docs/events that is generated, by its path there."""
    made = {
        f"schemas/{schema_name(kind)}": _json(schema(kind))
        for _, kind in sorted(message_types().items(), key=lambda each: schema_name(each[1]))
    }
    made[f"schemas/{kebab(REQUEST)}.json"] = _json(request_schema())
    made["asyncapi.yaml"] = yaml.safe_dump(
        asyncapi(), sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
    )
    return made


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document."""
    channels = _channels()
    return {
        "asyncapi": "3.0.0",
        "id": "urn:cinelog:events",
        "info": {
            "title": "Cinelog",
            "version": VERSION,
            "description": (
                "Everything that crosses between Cinelog's services. Events are facts, commands are orders. "
                "Other systems write cinelog.jobs.requested and may read the rest."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "protocolVersion": "4",
                "description": "Apache Kafka, or the in-process broker of `cinelog run` and `cinelog serve`.",
                "variables": {"bootstrap": {"default": "127.0.0.1:9092", "description": "CINELOG_KAFKA"}},
            }
        },
        "channels": channels,
        "operations": _operations(channels),
        "components": {
            "messages": {
                **{name: _message(kind) for name, kind in message_types().items()},
                REQUEST: _request_message(),
                DEAD_LETTER: _dead_letter_message(),
            },
            "schemas": {"CloudEventHeaders": _cloud_event_headers()},
        },
    }


def channel_id(topic: str) -> str:
    """Return the name of a topic's channel in the document."""
    words = topic.removeprefix("cinelog.").replace("{", "").replace("}", "").split(".")
    return words[0] + "".join(word.capitalize() for word in words[1:])


def channel_messages() -> dict[str, tuple[str, ...]]:
    """Return the messages that each topic carries."""
    carried: dict[str, dict[str, None]] = {}
    for table in (*SENDS.values(), *RECEIVES.values()):
        for topic, names in table.items():
            carried.setdefault(topic, {}).update(dict.fromkeys(names))
    order = [*message_types(), REQUEST, DEAD_LETTER]
    return {topic: tuple(sorted(names, key=order.index)) for topic, names in carried.items()}


def _channels() -> dict[str, Any]:
    carried = channel_messages()
    channels = {}
    for topic in _topics():
        page = Page(address=topic.name, description=_KEYS.get(topic.name, "Keyed by job id."))
        if topic.name == ENCODE_TOPIC:
            page["parameters"] = {
                "pool": {"enum": list(topics.POOLS), "default": "cpu", "description": "Whose encoders."},
                "priority": {"enum": list(topics.PRIORITIES), "default": "normal"},
            }
        page["messages"] = {
            name: {"$ref": f"#/components/messages/{name}"} for name in carried.get(topic.name, ())
        }
        page["bindings"] = {"kafka": _topic_binding(topic)}
        channels[channel_id(topic.name)] = dict(page)
    return channels


_KEYS = {
    topics.REQUESTED: "Requests of other systems, with any key. What is no request goes to cinelog.dlq.",
    topics.EVENTS: "Every event of every job, keyed by job id. Only Cinelog's services write it.",
    topics.STATUS: "One full snapshot per job, keyed by job id.",
    topics.CONTROL: "What every worker obeys before it starts and while it works, keyed by job id.",
    topics.PROGRESS: "Throttled progress, keyed by job id.",
    topics.WORKERS: "Heartbeats, keyed by worker. A record without a value says that the worker is gone.",
    topics.DEAD_LETTERS: (
        "Records that nobody can work on, with their own key, value and headers, and headers dlq_* that say "
        "why, where from, since when and how often."
    ),
    topics.LEDGER_CHANGELOG: "The ledger's own memory, keyed by job id. For the ledger alone.",
    topics.WORK_FETCH: "Work for download, keyed by job id.",
    topics.WORK_MERGE: "Work for merge, keyed by job id.",
    topics.WORK_PUBLISH: "Work for storage, keyed by job id.",
    ENCODE_TOPIC: "Work for the encoders of one pool, without a key: spread evenly by the producer.",
}


def _topics() -> tuple[topics.Topic, ...]:
    every = topics.topics(partitions=PARTITIONS)
    plain = tuple(topic for topic in every if ".encode." not in topic.name)
    encode = next(topic for topic in every if ".encode." in topic.name)
    return (*plain, msgspec.structs.replace(encode, name=ENCODE_TOPIC))


def _topic_binding(topic: topics.Topic) -> dict[str, Any]:
    settings: dict[str, Any] = {"cleanup.policy": [topic.cleanup]}
    if topic.retention_ms is not None:
        settings["retention.ms"] = topic.retention_ms
    settings["max.message.bytes"] = topic.max_message_bytes
    return {"partitions": topic.partitions, "topicConfiguration": settings, "bindingVersion": "0.5.0"}


def _operations(channels: dict[str, Any]) -> dict[str, Any]:
    operations = {}
    for action, tables in (("send", SENDS), ("receive", RECEIVES)):
        for service, table in tables.items():
            for topic, names in table.items():
                channel = channel_id(topic)
                known = channels[channel]["messages"]
                operations[f"{service}{action.capitalize()}s{channel[0].upper()}{channel[1:]}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{channel}"},
                    "summary": f"{service} {action}s on {topic}",
                    "tags": [{"name": service}],
                    "messages": [
                        {"$ref": f"#/channels/{channel}/messages/{name}"} for name in known if name in names
                    ],
                }
    return dict(sorted(operations.items()))


def _message(kind: type[Value]) -> dict[str, Any]:
    wire = getattr(kind, "type", "")
    page: dict[str, Any] = {
        "name": wire or kind.__name__,
        "title": kind.__name__,
        "summary": _first_line(kind),
        "contentType": "application/json",
    }
    if wire:
        page["headers"] = {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEventHeaders"},
                {"type": "object", "properties": {"ce_type": {"type": "string", "const": wire}}},
            ]
        }
        page["tags"] = [{"name": "event" if issubclass(kind, Event) else "command"}]
    page["payload"] = {
        "schemaFormat": _SCHEMA_FORMAT,
        "schema": {"$ref": f"schemas/{schema_name(kind)}"},
    }
    page["bindings"] = {
        "kafka": {"key": {"type": "string", "description": _key_of(kind)}, "bindingVersion": "0.5.0"}
    }
    return page


def _request_message() -> dict[str, Any]:
    return {
        "name": REQUEST,
        "title": REQUEST,
        "summary": "Somebody else's request: plain JSON, a structured CloudEvent or a binary one.",
        "contentType": "application/json",
        "tags": [{"name": "ingest"}],
        "payload": {
            "schemaFormat": _SCHEMA_FORMAT,
            "schema": {"$ref": f"schemas/{kebab(REQUEST)}.json"},
        },
    }


def _dead_letter_message() -> dict[str, Any]:
    described = {
        "topic": "Where the record lay.",
        "partition": "Where the record lay.",
        "offset": "Where the record lay.",
        "category": "What went wrong, as in errors.Category.",
        "reason": "What is wrong with it, as a sentence.",
        "times": "How often it was tried.",
        "since_ms": "Since when, in milliseconds since the Unix epoch.",
        "at_ms": "When it was put aside, in milliseconds since the Unix epoch.",
        "cut_from_bytes": "How long the value was, if it was cut to fit.",
    }
    return {
        "name": DEAD_LETTER,
        "title": DEAD_LETTER,
        "summary": "A record that was put aside, under its own key.",
        "headers": {
            "type": "object",
            "properties": {
                PREFIX + name: {"type": "string", "description": text} for name, text in described.items()
            },
            "required": [PREFIX + name for name in described if name != "cut_from_bytes"],
        },
        "payload": {"description": "The record's value, whatever it is."},
    }


def _key_of(kind: type[Value]) -> str:
    if kind is WorkerBeat:
        return "worker"
    return "none" if kind.__name__ in {"EncodeSegment", "ProbeQuality"} else "job"


def _cloud_event_headers() -> dict[str, Any]:
    def text(description: str, **more: Any) -> dict[str, Any]:
        return {"type": "string", "description": description, **more}

    return {
        "type": "object",
        "description": "CloudEvents 1.0 in Kafka's binary content mode.",
        "properties": {
            "ce_specversion": text("The version of CloudEvents.", const="1.0"),
            "ce_type": text("The type of the event or command."),
            "ce_source": text("The service that says so, such as /cinelog/merge."),
            "ce_id": text("The same for the same fact, whoever says it and however often.", format="uuid"),
            "ce_time": text("When it was said.", format="date-time"),
            "ce_subject": text("The job.", format="uuid"),
            "content-type": text("How the data are written.", const="application/json"),
            "traceparent": text("W3C trace context."),
        },
        "required": ["ce_specversion", "ce_type", "ce_source", "ce_id"],
    }


def _first_line(kind: type[Value]) -> str:
    return (inspect.getdoc(kind) or "").splitlines()[0]


def _json(document: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def main() -> None:
    """Write what differs and remove what no type asks for."""
    wanted = files()
    for path in (FOLDER / "schemas").glob("*.json"):
        if f"schemas/{path.name}" not in wanted:
            path.unlink()
            print(f"removed  {path.relative_to(FOLDER)}")
    for name, text in wanted.items():
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"written  {name}")


if __name__ == "__main__":
    main()
