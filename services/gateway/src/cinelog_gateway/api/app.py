"""The application: every endpoint, the shape of every error, and the edge round it."""

from typing import Any

from cinelog_common.clock import Clock
from fastapi import FastAPI
from starlette.types import ASGIApp

from cinelog_gateway.api import errors
from cinelog_gateway.api.edge import Edge, EdgeSettings
from cinelog_gateway.api.files.routes import router as files
from cinelog_gateway.api.health.routes import router as health
from cinelog_gateway.api.jobs.events import Watchers
from cinelog_gateway.api.jobs.events import router as events
from cinelog_gateway.api.jobs.routes import router as jobs
from cinelog_gateway.api.parts import Parts
from cinelog_gateway.api.watch.routes import Assets
from cinelog_gateway.api.watch.routes import router as watch

_DESCRIPTION = """Any source to playable video.

Submit a source, watch the job over its WebSocket (`links.events`), play it while it is made
(`links.playlist`), and fetch the result (`outputs[].url`). Every error has one shape: `category`,
`message`, `action`. Requests that change something are refused from pages of foreign origins.
"""


def create_app(parts: Parts, edge: EdgeSettings, *, clock: Clock) -> ASGIApp:
    """Return the application that a server serves."""
    app = _framework()
    app.state.parts = parts
    app.state.watchers = Watchers()
    return Edge(app, edge, clock=clock, metrics=parts.metrics)


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI description of all endpoints."""
    return _framework().openapi()


def _framework() -> FastAPI:
    app = FastAPI(
        title="Cinelog",
        version="1",
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    errors.install(app)
    for router in (jobs, files, events, health, watch):
        app.include_router(router)
    app.mount("/static", Assets(), name="static")
    return app
