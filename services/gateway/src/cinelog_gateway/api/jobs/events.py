"""The news of one job over a WebSocket.

A client that reads slowly misses what was replaced meanwhile, never the end: the mailbox holds one
message of each kind, and `send` waits for the client.
"""

import asyncio

import msgspec
from cinelog_common.contract.status import TERMINAL, JobStatus, Progress
from cinelog_common.errors import CinelogError
from fastapi import APIRouter, WebSocket
from loguru import logger
from starlette.websockets import WebSocketDisconnect, WebSocketState

from cinelog_gateway.api.jobs.models import JobModel
from cinelog_gateway.api.parts import Parts, PartsOf
from cinelog_gateway.domain.board import is_gone
from cinelog_gateway.domain.paths import is_job_id
from cinelog_gateway.ports import Following

ENDED = 1000
TRY_AGAIN = 1013
UNKNOWN_JOB = 4404

router = APIRouter(prefix="/api/v1/jobs")


class Watchers:
    """Counts the open connections of one application."""

    def __init__(self) -> None:
        self.count = 0


@router.websocket("/{job}/events")
async def events(socket: WebSocket, job: str, parts: PartsOf) -> None:
    """Send the current snapshot, then what is new, until the job has ended."""
    await socket.accept()
    watchers: Watchers = socket.app.state.watchers
    if watchers.count >= parts.max_watchers:
        await socket.close(TRY_AGAIN, "too many watchers")
        return
    watchers.count += 1
    gone = asyncio.create_task(_until_gone(socket))
    telling = asyncio.create_task(_tell(socket, job, parts))
    try:
        await asyncio.wait((gone, telling), return_when=asyncio.FIRST_COMPLETED)
    finally:
        watchers.count -= 1
        for task in (gone, telling):
            task.cancel()
        await asyncio.wait((gone, telling))
    if not telling.cancelled():
        await _finish(socket, telling)


async def _finish(socket: WebSocket, telling: asyncio.Task[tuple[int, str]]) -> None:
    error = telling.exception()
    if isinstance(error, CinelogError):
        logger.bind(action="watch.failed").warning("{}", error.message)
        await _close(socket, TRY_AGAIN, "try again")
    elif error is None:
        await _close(socket, *telling.result())
    elif not isinstance(error, WebSocketDisconnect):
        raise error


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.client_state is WebSocketState.CONNECTED:
        await socket.close(code, reason)


async def _until_gone(socket: WebSocket) -> None:
    """Read what the client says, which means nothing, until it goes."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _tell(socket: WebSocket, job: str, parts: Parts) -> tuple[int, str]:
    """Send news until the end and return what to close with."""
    if not is_job_id(job):
        return UNKNOWN_JOB, "there is no such job"
    with parts.jobs.follow(job) as following:
        status = await parts.jobs.find(job)
        if status is None or is_gone(status):
            return UNKNOWN_JOB, "there is no such job"
        await _send(socket, status)
        while status.state not in TERMINAL:
            status = await _pass_on(socket, following, status)
    return ENDED, status.state


async def _pass_on(socket: WebSocket, following: Following, told: JobStatus) -> JobStatus:
    for news in await following.take():
        if told.state in TERMINAL:
            break  # the end is the last that is told
        if isinstance(news, JobStatus):
            if news.version <= told.version and not is_gone(news):
                continue
            told = news
        elif news.run < told.run:
            continue
        await _send(socket, news)
    return told


async def _send(socket: WebSocket, news: JobStatus | Progress) -> None:
    if isinstance(news, JobStatus):
        message = {"type": "status", **JobModel.of(news).model_dump(mode="json")}
    else:
        message = {
            "type": "progress",
            "job": news.job,
            "run": news.run,
            "stage": news.stage,
            "done": news.done,
            "total": news.total,
            "unit": news.unit,
            "at_ms": news.at_ms,
            "subject": news.subject,
        }
    await socket.send_text(msgspec.json.encode(message).decode())
