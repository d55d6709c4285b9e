"""`cinelog jobs`: submit, list, show, watch, cancel, retry and delete over HTTP."""

import json
import time
from typing import Any

import click
import httpx
import msgspec
from cinelog_common.contract.status import TERMINAL
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError

from cinelog.commands.options import chosen, encoding_options

POLL_S = 0.5


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
    """Submit SOURCE and print the job."""
    options = msgspec.to_builtins(chosen(values))
    headers = {"Idempotency-Key": key} if key else {}
    job = _call(server, "POST", "/api/v1/jobs", json={"source": source, **options}, headers=headers)
    if watch:
        return _watch(server, str(job["job"]))
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
    for job in page["jobs"]:
        click.echo(f"{job['job']}  {job['state']:<10} {100 * job.get('fraction', 0):3.0f} %  {_name(job)}")
    return 0


@command.command()
@click.argument("job")
@click.pass_obj
def show(server: str, job: str) -> int:
    """Show everything about one job."""
    _print(_call(server, "GET", f"/api/v1/jobs/{job}"))
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
    _print(_call(server, "POST", f"/api/v1/jobs/{job}/cancel"))
    return 0


@command.command()
@click.argument("job")
@click.pass_obj
def retry(server: str, job: str) -> int:
    """Run a job that has ended again."""
    _print(_call(server, "POST", f"/api/v1/jobs/{job}/retry"))
    return 0


@command.command()
@click.argument("job")
@click.pass_obj
def delete(server: str, job: str) -> int:
    """Delete an ended job and everything it made."""
    _call(server, "DELETE", f"/api/v1/jobs/{job}")
    return 0


def _watch(server: str, job: str) -> int:
    told = ""
    while True:
        status = _call(server, "GET", f"/api/v1/jobs/{job}")
        line = f"{100 * status.get('fraction', 0):3.0f} %  {status['state']}"
        if line != told:
            click.echo(line, err=True)
            told = line
        if status["state"] in TERMINAL:
            _print(status)
            return 0 if status["state"] == "completed" else 1
        time.sleep(POLL_S)


def _call(server: str, method: str, path: str, **arguments: Any) -> dict[str, Any]:
    """Return the JSON object that the gateway answers.

    Raises:
        CinelogError: It refuses, or cannot be reached.
    """
    try:
        answer = httpx.request(method, server + path, timeout=30, **arguments)
        document = answer.json() if answer.content else {}
    except httpx.HTTPError as error:
        raise TransientError(
            f"No answer from {server}: {error}.",
            category=Category.DEPENDENCY,
            action="Start it with `cinelog serve`, or name it with --server.",
        ) from error
    except json.JSONDecodeError as error:
        raise PermanentError(
            f"{server} answered {answer.status_code} without JSON.",
            category=Category.DEPENDENCY,
            action="Check that --server names a Cinelog gateway.",
        ) from error
    if answer.is_success and isinstance(document, dict):
        return document
    raise _refusal(document, answer.status_code)


def _refusal(document: Any, status: int) -> CinelogError:
    problem = document if isinstance(document, dict) else {}
    category = str(problem.get("category", ""))
    return PermanentError(
        str(problem.get("message") or problem.get("detail") or f"The gateway answered {status}."),
        category=Category(category) if category in set(Category) else Category.INVALID_REQUEST,
        action=str(problem.get("action", "")),
    )


def _name(job: dict[str, Any]) -> str:
    return str(job.get("title") or job.get("source_url") or "")


def _print(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))
