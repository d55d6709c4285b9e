"""Names to addresses: looked up once, judged, and only what was judged is connected to."""

import asyncio
import socket
from typing import Final

import msgspec

from cinelog_download.domain.addresses import AddressPolicy

_MAX_ADDRESSES: Final = 16


class RefusedAddressError(OSError):
    """Policy forbids the address.

    Attributes:
        address: The address.
        reason: In a few words, why.
    """

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address} is refused: {reason}")
        self.address = address
        self.reason = reason


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """What a name stands for."""

    family: int
    address: str


async def resolve_allowed(
    host: str, port: int, policy: AddressPolicy, family: int = socket.AF_UNSPEC
) -> list[Address]:
    """Return the addresses of `host` that may be connected to.

    Raises:
        RefusedAddressError: It has addresses, but none that may be.
        OSError: The name cannot be resolved.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    denied: RefusedAddressError | None = None
    allowed: list[Address] = []
    for kind, _, _, _, place in found[:_MAX_ADDRESSES]:
        address = str(place[0])
        reason = policy.refusal(address)
        if reason is None:
            allowed.append(Address(family=kind, address=address))
        else:
            denied = RefusedAddressError(address, reason)
    if not allowed:
        raise denied or socket.gaierror(socket.EAI_NONAME, "no addresses")
    return allowed
