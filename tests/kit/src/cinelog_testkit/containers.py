"""Servers in containers, where a container engine answers on this machine."""

import os
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cinelog_testkit.availability import UnavailableError


@dataclass(frozen=True, kw_only=True)
class Image:
    """A container to run, its ports published on the same loopback ports."""

    name: str
    ports: Mapping[int, int]
    command: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


def engine_answers() -> bool:
    """Tell quickly whether a local container engine listens; a remote one is not used."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not address.startswith("unix://"):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address.removeprefix("unix://"))
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in probe.recv(64)
        except OSError:
            return False


@contextmanager
def running(image: Image) -> Iterator[None]:
    """Run a container while the context is open.

    Raises:
        UnavailableError: No engine answers, or the image cannot be had.
    """
    if not engine_answers():
        raise UnavailableError("no container engine answers")
    container = _container(image)
    try:
        container.start()
    except Exception as error:
        raise UnavailableError(f"the container {image.name} did not start: {error}") from error
    try:
        yield
    finally:
        container.stop()


def _container(image: Image) -> Any:
    with warnings.catch_warnings():
        # testcontainers warns about itself at import, which our filter would turn into an error.
        warnings.simplefilter("ignore")
        from testcontainers.core.container import DockerContainer
    container = DockerContainer(image.name)
    for inside, outside in image.ports.items():
        container.with_bind_ports(inside, ("127.0.0.1", outside))
    for name, value in image.env.items():
        container.with_env(name, value)
    if image.command:
        container.with_command(image.command)
    return container
