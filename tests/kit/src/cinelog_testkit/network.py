"""Free loopback ports."""

import random
import socket

# Below 32768 the kernel hands out no port by itself: a port found free here
# can't become the local end of somebody's outgoing connection before it is used.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """Return a loopback port that nobody uses now."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return `count` different loopback ports that nobody uses now."""
    found: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, k=min(2_000, len(_PORTS))):
        with socket.socket() as probe:
            # As servers do: a port whose last connections are in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free loopback port between 20000 and 32000")
