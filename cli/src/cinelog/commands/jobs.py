"""`cinelog jobs`: submit, list, show, watch, cancel, retry and delete over HTTP."""

import json
import time
from typing import Any
from urllib.parse import quote

import click
import httpx
import msgspec
from cinelog_common.contract.status import TERMINAL
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError

from cinelog.commands.options import chosen, encoding_options
from cinelog.sources import absolute
from cinelog.terminal import plain

POLL_S = 0.5
PATIENCE_S = 60.0
"""How long `watch` waits for a gateway that has answered before."""


@click.group()
@click.option(
    "--server",
    envvar="CINELOG_SERVER",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="Where the gateway is ($CINELOG_SERVER).",
)
@click.pass_context
def command(context: click.Context, server: str) -> None:
    """Work with the jobs of a running Cinelog."""
    context.obj = server.rstrip("/")


@command.command()
@click.argument("source")
@encoding_options
@click.option("--key", help="Idempotency key: the same key and request give the same job.")
@click.option("--watch", is_flag=True, help="Wait for the end.")
@click.pass_obj
def submit(server: str, /, *, source: str, key: str | None, watch: bool, **values: Any) -> int:
    """Submit SOURCE (a URL, or a file of the machine that fetches) and print the job."""
    options = msgspec.to_builtins(chosen(values))
    headers = {"Idempotency-Key": key} if key else {}
    job = _call(server, "POST", "/api/v1/jobs", json={"source": absolute(source), **options}, headers=headers)
    if watch:
        return _watch(server, str(job.get("job", "")))
    _print(job)
    return 0


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--state", help="Only jobs in this state.")
@click.pass_obj
def list_jobs(server: str, /, *, limit: int, state: str | None) -> int:
    """List jobs, newest first."""
    query = {"limit": str(limit), **({"state": state} if state else {})}
    page = _call(server, "GET", "/api/v1/jobs", params=query)
    for job in _jobs_of(page, server):
        click.echo(plain(f"{job['job']}  {job['state']:<10} {_percent(job)}  {_name(job)}"))
    return 0


@command.command()
@click.argument("job")
@click.pass_obj
def show(server: str, job: str) -> int:
    """Show everything about one job."""
    _print(_call(server, "GET", f"/api/v1/jobs/{quote(job, safe='')}"))
    return 0


@command.command()
@click.argument("job")
@click.pass_obj
def watch(server: str, job: str) -> int:
    """Follow one job to its end; exit 1 if it does not complete."""
    return _watch(server, job)


@command.command()
@click.argument("job")
@click.pass_obj
def cancel(server: str, job: str) -> int:
    """Cancel one job."""
    _print(_call(server, "POST", f"/api/v1/jobs/{quote(job, safe='')}/cancel"))
    return 0


@command.command()
@click.argument("job")
@click.pass_obj
def retry(server: str, job: str) -> int:
    """Run a job that has ended again."""
    _print(_call(server, "POST", f"/api/v1/jobs/{quote(job, safe='')}/retry"))
    return 0


@command.command()
@click.argument("job")
@click.pass_obj
def delete(server: str, job: str) -> int:
    """Delete an ended job and everything it made."""
    _call(server, "DELETE", f"/api/v1/jobs/{quote(job, safe='')}")
    return 0


def _watch(server: str, job: str) -> int:
    told = ""
    silent_since: float | None = None
    while True:
        try:
            status = _call(server, "GET", f"/api/v1/jobs/{quote(job, safe='')}")
        except TransientError:
            # A gateway that is started again in the meantime is not the job's end.
            now = time.monotonic()
            silent_since = now if silent_since is None else silent_since
            if not told or now - silent_since > PATIENCE_S:
                raise
            time.sleep(POLL_S)
            continue
        silent_since = None
        state = str(status.get("state", ""))
        line = plain(f"{_percent(status)}  {state}")
        if line != told:
            click.echo(line, err=True)
            told = line
        if state in TERMINAL:
            _print(status)
            return 0 if state == "completed" else 1
        time.sleep(POLL_S)


def _call(server: str, method: str, path: str, **arguments: Any) -> dict[str, Any]:
    """Return the JSON object that the gateway answers.

    Raises:
        CinelogError: It refuses, or cannot be reached.
    """
    try:
        answer = httpx.request(method, server + path, timeout=30, **arguments)
        document = answer.json() if answer.content else {}
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TransientError(
            f"No answer from {server}: {error}.",
            category=Category.DEPENDENCY,
            action="Start it with `cinelog serve`, or name it with --server.",
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PermanentError(
            f"{server} answered {answer.status_code} without JSON.",
            category=Category.DEPENDENCY,
            action="Check that --server names a Cinelog gateway.",
        ) from error
    if answer.is_success and isinstance(document, dict):
        return document
    if answer.is_success:
        raise _foreign(server)
    raise _refusal(document, answer.status_code)


def _jobs_of(page: dict[str, Any], server: str) -> list[dict[str, Any]]:
    jobs = page.get("jobs")
    if isinstance(jobs, list) and all(isinstance(job, dict) and {"job", "state"} <= set(job) for job in jobs):
        return jobs
    raise _foreign(server)


def _foreign(server: str) -> PermanentError:
    return PermanentError(
        f"{server} answers, but not as Cinelog does.",
        category=Category.DEPENDENCY,
        action="Check that --server names a Cinelog gateway.",
    )


def _refusal(document: Any, status: int) -> CinelogError:
    problem = document if isinstance(document, dict) else {}
    category = str(problem.get("category", ""))
    unnamed = Category.INVALID_REQUEST if status < 500 else Category.DEPENDENCY
    return PermanentError(
        str(problem.get("message") or problem.get("detail") or f"The gateway answered {status}."),
        category=Category(category) if category in set(Category) else unnamed,
        action=str(problem.get("action", "")),
    )


def _percent(job: dict[str, Any]) -> str:
    fraction = job.get("fraction")
    return f"{100 * fraction:3.0f} %" if isinstance(fraction, int | float) else "  – %"


def _name(job: dict[str, Any]) -> str:
    return str(job.get("title") or job.get("source_url") or "")


def _print(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))
