"""`cinelog doctor`: what this machine can do, and why something cannot be used."""

import asyncio
import importlib.metadata
import os
import platform
import shutil
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec

from cinelog.commands.serve import default_data

LOW_DISK_BYTES = 5 * 10**9
SERVER_TIMEOUT_S = 2.0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    topic: str
    name: str
    ok: bool
    detail: str
    needed: bool = False
    """Without it the default job does not work."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=".", help="Look at the disk that holds this folder."
)
def command(*, as_json: bool, out: Path) -> int:
    """Look at hardware, encoders, yt-dlp, disk and servers; exit 1 if something needed is missing."""
    from cinelog_common.logging import configure_logging

    configure_logging(level="ERROR", service="doctor")
    findings = [*_machine(), *asyncio.run(_encoders()), *asyncio.run(_decoders()), *_pages()]
    findings += [*_disks((out, default_data())), *_servers()]
    broken = any(finding.needed and not finding.ok for finding in findings)
    if as_json:
        document = {"ok": not broken, "findings": msgspec.to_builtins(findings)}
        click.echo(msgspec.json.encode(document).decode())
    else:
        _print(findings)
    return 1 if broken else 0


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding(
        topic="machine",
        name="processor",
        ok=True,
        detail=f"{cores} cores, {platform.machine()}, {platform.system()} {platform.release()}",
    )
    yield from _devices()
    yield Finding(topic="machine", name="fastio", ok=True, detail=f"{_fastio()} kernel", needed=True)


def _devices() -> Iterator[Finding]:
    from cinelog_transcode.adapters.devices import look

    from cinelog.composition import offered_pools

    for device in look():
        yield Finding(
            topic="machine", name=f"{device.pool} device", ok=device.plausible, detail=device.detail
        )
    how = "as CINELOG_TRANSCODE_POOL says" if "CINELOG_TRANSCODE_POOL" in os.environ else "where they work"
    detail = f"`run` and `serve` offer {', '.join(offered_pools())}, {how}"
    yield Finding(topic="machine", name="pools", ok=True, detail=detail)


def _fastio() -> str:
    from cinelog_fastio import backend

    return str(backend.name)


async def _encoders() -> list[Finding]:
    from cinelog_transcode.proofs import prove_all

    proofs = await prove_all()
    return [
        Finding(
            topic="encoders",
            name=f"{proof.encoder} ({proof.pool})",
            ok=proof.usable,
            detail=f"encoded a frame, version {proof.version}" if proof.usable else proof.reason,
            needed=proof.encoder == "libx264",
        )
        for proof in proofs
    ]


async def _decoders() -> list[Finding]:
    """Look at what the devices that may be here decode; without one nothing is asked."""
    from cinelog_transcode.proofs import prove_decoders

    from cinelog.composition import offered_pools

    return [
        Finding(
            topic="decoders",
            name=f"{proof.codec} ({pool}, {proof.device})",
            ok=proof.usable,
            detail="decoded every bit as the processor does" if proof.usable else proof.reason,
        )
        for pool in offered_pools()
        for proof in await prove_decoders(pool)
    ]


def _pages() -> Iterator[Finding]:
    from cinelog_download.children.runtimes import found

    yield Finding(
        topic="pages", name="yt-dlp", ok=True, detail=importlib.metadata.version("yt-dlp"), needed=True
    )
    runtimes = found()
    usable = [
        f"{runtime.name} {runtime.version} ({runtime.path})" for runtime in runtimes if runtime.supported
    ]
    old = [
        f"{runtime.name} {runtime.version} is too old for yt-dlp"
        for runtime in runtimes
        if not runtime.supported
    ]
    lacking = f"{', '.join(old) or 'none'}: some sites cannot be read; install deno (PyPI has it)"
    yield Finding(
        topic="pages", name="JavaScript runtime", ok=bool(usable), detail=", ".join(usable) or lacking
    )


def _disks(folders: Iterable[Path]) -> Iterator[Finding]:
    for folder in folders:
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(existing).free
        writable = os.access(existing, os.W_OK)
        detail = f"{free / 1e9:.1f} GB free" if writable else "not writable"
        if free < LOW_DISK_BYTES:
            detail += f", little for long films (under {LOW_DISK_BYTES // 10**9} GB)"
        ok = writable and free >= LOW_DISK_BYTES
        yield Finding(topic="disk", name=str(folder.absolute()), ok=ok, detail=detail)


def _servers() -> Iterator[Finding]:
    """Look only at the servers that the environment names: the standalone mode needs none."""
    from cinelog_common.settings import load

    from cinelog.settings import DeploymentSettings

    settings = load(DeploymentSettings)
    mongo = urlsplit(settings.mongo.get_secret_value())
    wanted = {
        "CINELOG_KAFKA": [_address(part, 9092) for part in settings.kafka.split(",")],
        "CINELOG_MONGO": [_address(part.rpartition("@")[2], 27017) for part in mongo.netloc.split(",")],
        "CINELOG_S3_ENDPOINT": [_address(urlsplit(settings.s3_endpoint or "").netloc, 443)],
    }
    named = [(name, addresses) for name, addresses in wanted.items() if os.environ.get(name)]
    if not named:
        yield Finding(topic="servers", name="none named", ok=True, detail="`run` and `serve` need no server")
    for name, addresses in named:
        for host, port in addresses:
            reason = _unreachable(host, port)
            yield Finding(
                topic="servers", name=f"{name} {host}:{port}", ok=not reason, detail=reason or "answers"
            )


def _address(text: str, port: int) -> tuple[str, int]:
    host, _, number = text.strip().rpartition(":")
    return (host, int(number)) if host and number.isdigit() else (text.strip(), port)


def _unreachable(host: str, port: int) -> str:
    try:
        with socket.create_connection((host, port), timeout=SERVER_TIMEOUT_S):
            return ""
    except OSError as error:
        return f"does not answer: {error.strerror or error}"


def _print(findings: list[Finding]) -> None:
    topic = ""
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            click.echo(click.style(topic, bold=True))
        mark = (
            click.style("ok", fg="green")
            if finding.ok
            else click.style("--", fg="red" if finding.needed else "yellow")
        )
        click.echo(f"  {mark}  {finding.name}: {finding.detail}")
