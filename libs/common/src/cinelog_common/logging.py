"""Logs: one line for a person, or one JSON object for a machine, always with the job it is about.

Events of the log are named by `action` (`segment.encoded`), so that they can be
counted and searched without parsing sentences.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from loguru import logger

from cinelog_common.tracing import current_traceparent

if TYPE_CHECKING:
    from loguru import Message

LEVELS = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR")
FORMATS = ("text", "json")

_TEXT = "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> {extra[where]}{message}"


def configure_logging(*, level: str = "INFO", style: str = "text", service: str = "cinelog") -> None:
    """Send the log to standard error.

    Args:
        level: One of `LEVELS`.
        style: `text` for people, `json` for machines.
        service: Named in every line.
    """
    logger.remove()
    logger.configure(extra={"service": service}, patcher=_place)
    if style == "json":
        logger.add(_write_json, level=level)
    else:
        # Values in a log are the user's and the source's: diagnose would print local variables, secrets too.
        logger.add(sys.stderr, level=level, format=_TEXT + "\n{exception}", diagnose=False, backtrace=False)


@contextmanager
def job_context(job: str, run: int) -> Iterator[None]:
    """Name the job and run in every line logged inside, in this task and the tasks it starts."""
    with logger.contextualize(job_id=job, run=run):
        yield


def _place(record: Any) -> None:
    extra = record["extra"]
    job = extra.get("job_id")
    extra["where"] = " ".join(
        part for part in (extra.get("action"), f"job={str(job)[:8]}" if job else "") if part
    )
    if extra["where"]:
        extra["where"] += ": "


def _write_json(message: "Message") -> None:
    record = message.record
    extra = {name: value for name, value in record["extra"].items() if name != "where"}
    line: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["message"],
        "logger": record["name"],
        **extra,
    }
    if traceparent := current_traceparent():
        line["traceparent"] = traceparent
    if record["exception"] is not None:
        line["exception"] = repr(record["exception"].value)
    sys.stderr.write(msgspec.json.encode(line, enc_hook=str).decode() + "\n")
