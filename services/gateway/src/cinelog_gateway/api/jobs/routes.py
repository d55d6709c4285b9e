"""Submit, show, list, cancel, retry, delete."""

from typing import Annotated

from cinelog_common.contract.requests import parse_body
from cinelog_common.contract.status import JobState
from fastapi import APIRouter, Header, Path, Query, Response

from cinelog_gateway.api.errors import documented
from cinelog_gateway.api.jobs.models import JobModel, PageModel, SubmitModel
from cinelog_gateway.api.parts import PartsOf
from cinelog_gateway.domain.board import is_gone
from cinelog_gateway.domain.paging import JobQuery
from cinelog_gateway.domain.paths import is_job_id
from cinelog_gateway.handlers import Outcome
from cinelog_gateway.ports import UnknownJobError

MAX_PAGE = 1000

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=documented(421, 422, 503))

JobId = Annotated[str, Path(description="The job's id.")]
_STATUS = {Outcome.CREATED: 201, Outcome.KNOWN: 200, Outcome.ACCEPTED: 202}


@router.post(
    "",
    operation_id="submitJob",
    summary="Submit a source",
    status_code=201,
    response_description="The job was taken in.",
    responses={
        200: {"model": JobModel, "description": "The same was asked for under this key before: its job."},
        202: {"model": JobModel, "description": "The job was accepted; it will be shown in a moment."},
        **documented(400, 403, 408, 409, 413, 415),
    },
)
async def submit(
    body: SubmitModel,
    parts: PartsOf,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[\x20-\x7e]+$",
            description="The same key and request give the same job, however often they are sent.",
        ),
    ] = None,
) -> JobModel:
    """Ask for a source as playable video. With a key, the first request under it holds."""
    source, options = parse_body(body.document())
    submitted = await parts.desk.submit(source, options, idempotency_key)
    job = JobModel.of(submitted.status)
    response.status_code = _STATUS[submitted.outcome]
    response.headers["Location"] = job.links.self
    return job


@router.get("", operation_id="listJobs", summary="List jobs, newest first")
async def list_jobs(
    parts: PartsOf,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    state: Annotated[
        str | None, Query(max_length=40, description=f"Only jobs in this state: {', '.join(JobState)}.")
    ] = None,
    after: Annotated[str | None, Query(max_length=400, description="The `next` of the page before.")] = None,
) -> PageModel:
    """Return one page of jobs."""
    return PageModel.of(await parts.jobs.page(JobQuery(limit=limit, state=state, after=after)))


@router.get("/{job}", operation_id="showJob", summary="Show a job", responses=documented(404))
async def show(job: JobId, parts: PartsOf) -> JobModel:
    """Return the latest snapshot of one job."""
    status = await parts.jobs.find(_id(job))
    if status is None or is_gone(status):
        raise UnknownJobError(job)
    return JobModel.of(status)


@router.post(
    "/{job}/cancel",
    operation_id="cancelJob",
    summary="Cancel a job",
    status_code=202,
    responses=documented(403, 404, 409),
)
async def cancel(job: JobId, parts: PartsOf) -> JobModel:
    """Ask for the end of the current run. Asking again changes nothing."""
    return JobModel.of(await parts.desk.cancel(_id(job)))


@router.post(
    "/{job}/retry",
    operation_id="retryJob",
    summary="Run an ended job again",
    status_code=202,
    responses=documented(403, 404, 409),
)
async def retry(job: JobId, parts: PartsOf) -> JobModel:
    """Ask for a job that has completed, failed or been cancelled again, as its next run."""
    return JobModel.of(await parts.desk.retry(_id(job)))


@router.delete(
    "/{job}",
    operation_id="deleteJob",
    summary="Delete an ended job",
    status_code=204,
    responses=documented(403, 404, 409),
)
async def delete(job: JobId, parts: PartsOf) -> None:
    """Remove a job that has ended, with everything it made."""
    await parts.desk.delete(_id(job))


def _id(job: str) -> str:
    if not is_job_id(job):
        raise UnknownJobError(job)
    return job
