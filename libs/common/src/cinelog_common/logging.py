"""Logs: one line for a person, or one JSON object for a machine, always with the job it is about.

Events of the log are named by `action` (`segment.encoded`), so that they can be
counted and searched without parsing sentences.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from loguru import logger

from cinelog_common.tracing import current_traceparent

if TYPE_CHECKING:
    from loguru import Message

LEVELS = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FORMATS = ("text", "json")

_TEXT = (
    "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> "
    "{extra[where]}{message}<dim>{extra[more]}</dim>"
)
_OURS = frozenset({"where", "more"})
_SHOWN = frozenset({"service", "action", "job_id", "run"}) | _OURS
_VALUE_CHARS = 300

# Titles, addresses and error texts are other people's: what moves a terminal's
# cursor, or begins a line of its own, is shown as its escape.
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_ESCAPES |= {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def configure_logging(*, level: str = "INFO", style: str = "text", service: str = "cinelog") -> None:
    """Send the log to standard error, that of libraries from WARNING on included.

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
        logger.add(sys.stderr, level=level, format=_TEXT, diagnose=False, backtrace=False)
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)


@contextmanager
def job_context(job: str, run: int) -> Iterator[None]:
    """Name the job and run in every line logged inside, in this task and the tasks it starts."""
    with logger.contextualize(job_id=job, run=run):
        yield


class _Forward(logging.Handler):
    """Takes what libraries log and gives it our form."""

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname if record.levelname in LEVELS else "ERROR"
        bound = logger.bind(library=record.name).opt(exception=record.exc_info)
        bound.log(level, "{}", record.getMessage())


def _place(record: Any) -> None:
    extra = record["extra"]
    job = extra.get("job_id")
    where = " ".join(part for part in (extra.get("action"), f"job={str(job)[:8]}" if job else "") if part)
    more = [f" {name}={_short(value)}" for name, value in extra.items() if name not in _SHOWN]
    extra["where"] = _escaped(where) + ": " if where else ""
    extra["more"] = _escaped("".join(more))
    record["message"] = _escaped(record["message"])


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _VALUE_CHARS else text[:_VALUE_CHARS] + "…"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _write_json(message: "Message") -> None:
    record = message.record
    line: dict[str, Any] = {name: value for name, value in record["extra"].items() if name not in _OURS}
    line |= {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["message"],
        "logger": record["name"],
    }
    if traceparent := current_traceparent():
        line["traceparent"] = traceparent
    if (exception := record["exception"]) is not None:
        line["exception"] = repr(exception.value)
        line["traceback"] = "".join(traceback.format_tb(exception.traceback))
    sys.stderr.write(_as_json(line) + "\n")


def _as_json(line: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(line, enc_hook=str).decode()
    except (UnicodeEncodeError, TypeError, ValueError):
        # A file's name that is no text, or a dict with odd keys: the line must not be lost.
        return json.dumps({name: str(value) for name, value in line.items()})
