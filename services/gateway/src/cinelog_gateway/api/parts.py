"""What the endpoints work with, handed to them by the application they belong to."""

from typing import Annotated, cast

import msgspec
from cinelog_common.metrics import Metrics
from fastapi import Depends
from fastapi.requests import HTTPConnection

from cinelog_gateway.handlers import Desk
from cinelog_gateway.ports import Files, Health, Jobs


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an endpoint may use.

    Attributes:
        max_watchers: WebSockets at a time.
    """

    desk: Desk
    jobs: Jobs
    files: Files
    health: Health
    metrics: Metrics
    max_watchers: int


def _parts(connection: HTTPConnection) -> Parts:
    return cast("Parts", connection.app.state.parts)


PartsOf = Annotated[Parts, Depends(_parts)]
