"""`/watch/{job}` and what the page is made of. The page itself is the same for every job: no template."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from cinelog_gateway.api.parts import PartsOf
from cinelog_gateway.domain.paths import is_job_id

STATIC = Path(__file__).parents[2] / "static"
# hls.js transmuxes in a worker made of a blob, and feeds the video through another.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter()


@router.get("/watch/{job}", include_in_schema=False)
async def watch(job: str, parts: PartsOf) -> FileResponse:
    """Return the page; its script asks for the job that the address names."""
    known = is_job_id(job) and await parts.jobs.find(job) is not None
    return FileResponse(
        STATIC / "watch.html",
        status_code=200 if known else 404,
        media_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"},
    )


class Assets(StaticFiles):
    """Scripts and styles; asked for again after an upgrade."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope):  # type: ignore[no-untyped-def]
        """Return a file that is checked at each use, which costs no body while it is the same."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
