"""`/health/live`, `/health/ready`, `/metrics`."""

from typing import Literal

from cinelog_common.metrics import CONTENT_TYPE
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from cinelog_gateway.api.parts import PartsOf

router = APIRouter(tags=["health"])

_VIEW = "status"


class LiveModel(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class ReadyModel(BaseModel):
    """Whether the gateway can do its work, and if not, what is missing."""

    ready: bool
    checks: dict[str, str] = Field(
        description="Of `log`, `status` (every job in the log is known), `objects` and `documents`: `ok`, "
        "or what is wrong."
    )


@router.get("/health/live", operation_id="live", summary="Whether the process answers")
async def live() -> LiveModel:
    """Answer."""
    return LiveModel()


@router.get(
    "/health/ready",
    operation_id="ready",
    summary="Whether the gateway can do its work",
    responses={503: {"model": ReadyModel, "description": "It cannot."}},
)
async def ready(parts: PartsOf, response: Response) -> ReadyModel:
    """Ask everything that is needed."""
    checks = await parts.health.check()
    checks[_VIEW] = "ok" if parts.jobs.ready else "still reading the log"
    good = all(answer == "ok" for answer in checks.values())
    response.status_code = 200 if good else 503
    return ReadyModel(ready=good, checks=checks)


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="What was counted, for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(parts: PartsOf) -> Response:
    """Return all metrics in Prometheus's text form."""
    return Response(parts.metrics.exposition(), media_type=None, headers={"Content-Type": CONTENT_TYPE})
