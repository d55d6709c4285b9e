"""Who may talk to the gateway from a browser: no foreign page, however its name resolves.

A page on a foreign name that is made to resolve to 127.0.0.1 (DNS rebinding) still
sends its own name as Host; a page on a foreign origin still sends that as Origin.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from cinelog_common.contract.values import Value

ANY = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - what must not count as a name
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Policy(Value, frozen=True, kw_only=True):
    """Names and origins that may, beside loopback and whoever is asked itself.

    Attributes:
        addresses: Whether any IP address may stand for us. Nobody can make an address resolve to
            another machine, so this opens nothing to rebinding; it is for gateways that listen on all.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    addresses: bool = False


def policy(host: str, hosts: frozenset[str], origins: frozenset[str]) -> Policy:
    """Return the policy of a gateway that listens on `host`."""
    own = frozenset() if host in ANY else frozenset({host.lower()})
    return Policy(hosts=hosts | own, origins=origins, addresses=host in ANY)


def permits_host(rules: Policy, authority: str | None) -> bool:
    """Whether a request for this `Host` is meant for us."""
    host = _host(authority)
    if host is None:
        return False
    address = _address(host)
    if address is not None and (rules.addresses or address.is_loopback):
        return True
    return host == "localhost" or host in rules.hosts


def permits_origin(rules: Policy, origin: str | None, authority: str | None) -> bool:
    """Whether a page of this `Origin` may act; None is no page at all."""
    if origin is None:
        return True
    if origin.lower() in rules.origins:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.netloc)
        and authority is not None
        and parts.netloc.lower() == authority.lower()
    )


def permits_change(rules: Policy, headers: Mapping[str, str]) -> bool:
    """Whether a request that changes something comes from our own page, or from no page at all."""
    origin = headers.get("origin")
    if not permits_origin(rules, origin, headers.get("host")):
        return False
    site = headers.get("sec-fetch-site")
    known = origin is not None and origin.lower() in rules.origins
    return site is None or known or site.lower() in {"same-origin", "none"}


def _host(authority: str | None) -> str | None:
    if not authority or any(char in authority for char in "/\\@?# ,"):
        return None
    try:
        parts = urlsplit(f"//{authority}")
        _ = parts.port  # refuses what is no number
    except ValueError:
        return None
    return parts.hostname.rstrip(".") if parts.hostname else None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
