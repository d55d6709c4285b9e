"""Every error as one shape, and the HTTP status that each is known by."""

from collections.abc import Mapping
from typing import Any

from cinelog_common.errors import Category, CinelogError, TransientError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from loguru import logger
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from cinelog_gateway.ports import KeyTakenError, NoFileError, UnknownJobError, WrongStateError

_STATUS_OF_ERROR: Mapping[type[CinelogError], int] = {
    UnknownJobError: 404,
    NoFileError: 404,
    KeyTakenError: 409,
    WrongStateError: 409,
}
_STATUS_OF_CATEGORY: Mapping[Category, int] = {
    Category.INVALID_REQUEST: 422,
    Category.LIMIT_EXCEEDED: 413,
    Category.NO_SPACE: 507,
}
_SENTENCES: Mapping[int, tuple[str, str]] = {
    400: ("The request cannot be understood.", "Send JSON as /openapi.json describes it."),
    403: ("A page of another origin may not do this.", "Use the gateway's own pages, or allow the origin."),
    404: ("There is nothing here.", "See /openapi.json for what there is."),
    405: ("This cannot be done here.", "See /openapi.json for what can."),
    408: ("The request took too long to arrive.", "Send it again."),
    413: ("The request is too large.", "Send less."),
    415: ("Only JSON is understood.", "Send it with the content type application/json."),
    421: ("This gateway does not answer to that name.", "Use its address, or allow the name."),
    503: ("The gateway is too busy.", "Try again in a while."),
}
_FORMS = frozenset({"text", "object"})
_SHOWN = 3
"""Wrong fields named in one message."""


class Problem(BaseModel):
    """What went wrong, for programs and for people."""

    category: str = Field(description="Of a fixed set of words; more may be added.")
    message: str = Field(description="One clear sentence.")
    action: str = Field(description="What to do about it; may be empty.")


def problem(status: int, *, category: str | None = None, message: str = "", action: str = "") -> JSONResponse:
    """Return the answer for an error; what is left out is taken from the status."""
    sentence, advice = _SENTENCES.get(status, ("Something went wrong.", ""))
    body = Problem(
        category=category or (Category.INVALID_REQUEST if status < 500 else Category.INTERNAL),
        message=message or sentence,
        action=action or advice,
    )
    return JSONResponse(body.model_dump(), status_code=status)


def status_of(error: CinelogError) -> int:
    """Return the HTTP status of one of our errors."""
    for kind, status in _STATUS_OF_ERROR.items():
        if isinstance(error, kind):
            return status
    if isinstance(error, TransientError):
        return 503
    return _STATUS_OF_CATEGORY.get(error.category, 500)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the errors an endpoint answers with."""
    return {
        status: {
            "model": Problem,
            "description": _SENTENCES.get(status, (_DESCRIPTIONS.get(status, ""), ""))[0],
        }
        for status in statuses
    }


_DESCRIPTIONS = {
    409: "It contradicts what was asked for before, or the job's state.",
    422: "The request asks for something that cannot be.",
}


def install(app: FastAPI) -> None:
    """Let `app` answer every error in our shape."""
    app.add_exception_handler(CinelogError, _on_cinelog_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_defect)


async def _on_cinelog_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CinelogError)
    status = status_of(error)
    if status >= 500:
        logger.bind(action="http.failed").warning("{}: {}", error.category, error.message)
    answer = problem(status, category=error.category, message=error.message, action=error.action)
    if status == 503:
        answer.headers["Retry-After"] = str(max(1, round(error.retry_after_s or 1)))
    return answer


async def _on_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def _on_defect(request: Request, error: Exception) -> JSONResponse:
    logger.bind(action="http.defect").opt(exception=error).error("{} {}", request.method, request.url.path)
    return problem(500, message="Cinelog has a defect here.", action="Report it with the gateway's log.")


async def _on_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    wrong = error.errors()
    if any(each["type"] == "json_invalid" for each in wrong):
        return problem(400, message="The body is not JSON.")
    sentences = [_sentence(each) for each in wrong[:_SHOWN]]
    return problem(422, message=" ".join(sentences), action="See /openapi.json for what is understood.")


def _sentence(wrong: dict[str, Any]) -> str:
    # The first part says body, query, path or header; which form of a choice is meant, the user knows.
    where = ".".join(str(part)[:60] for part in wrong["loc"][1:] if part not in _FORMS)
    match wrong["type"]:
        case "extra_forbidden":
            return f"There is no field {where!r}."
        case "missing" if where:
            return f"The field {where!r} is missing."
        case "missing":
            return "The body is missing."
        case _:
            return f"{where or 'The body'}: {str(wrong['msg']).removeprefix('Value error, ')[:200]}."
