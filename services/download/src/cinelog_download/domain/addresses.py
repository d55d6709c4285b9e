"""Which network addresses a stranger may make us connect to: the policy against request forgery.

A refusal list would have to grow with every new special range, so for IPv6 only
what is global unicast is let through, and addresses that carry an IPv4 address
are judged by that one. The networks are those of the IANA special-purpose registries.
"""

import ipaddress
from typing import Final

import msgspec

_IPv4 = ipaddress.IPv4Address
_IPv6 = ipaddress.IPv6Address

_DENIED_V4: Final = tuple(
    (ipaddress.IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared (carrier-grade NAT)"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        # Public addresses that clouds answer on from inside: metadata and agents.
        ("168.63.129.16/32", "cloud metadata"),
        ("100.100.100.200/32", "cloud metadata"),
    )
)
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
_DENIED_V6: Final = tuple(
    (ipaddress.IPv6Network(network), reason)
    for network, reason in (
        ("2001:db8::/32", "documentation"),
        ("2001::/32", "tunnelled"),
        ("2001::/23", "reserved"),
        ("3fff::/20", "documentation"),
    )
)
_SIX_TO_FOUR: Final = ipaddress.IPv6Network("2002::/16")
# RFC 6052: the well-known prefix; the last 32 bits are the IPv4 address.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_NAMES_V6: Final = tuple(
    (ipaddress.IPv6Network(network), reason)
    for network, reason in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("fe80::/10", "link-local"),
        ("fc00::/7", "private"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
    )
)

# Ports of the fetch standard's "bad port" list below 1024, where a request could be taken for
# another protocol's commands, and the databases and daemons that listen without a password.
_OPEN_LOW_PORTS: Final = frozenset({80, 443, 591})
_DENIED_HIGH_PORTS: Final = frozenset(
    {1719, 1720, 1723, 2049, 2375, 2379, 2380, 3306, 3659, 4045, 4190, 5060, 5061, 5432, 6000, 6379}
    | {6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9092, 9200, 10080, 10250, 11211, 27017}
)


class AddressPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What may be connected to."""

    allow_private: bool = False
    """Everything may be, as on one's own machine."""

    def refusal(self, address: str) -> str | None:
        """Return in a few words why `address` (an IP literal) is refused, or None if it may be used."""
        return None if self.allow_private else refusal(address)

    def refuses_port(self, port: int) -> bool:
        """Tell whether a port belongs to some other protocol."""
        if self.allow_private:
            return False
        low_and_closed = port < 1024 and port not in _OPEN_LOW_PORTS
        return low_and_closed or port in _DENIED_HIGH_PORTS


def refusal(address: str) -> str | None:
    """Return why `address` is not a public one; what is no address at all is refused too."""
    if "%" in address:
        return "link-local"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "not an address"
    return _refusal_v4(parsed) if isinstance(parsed, _IPv4) else _refusal_v6(parsed)


def _refusal_v4(address: _IPv4) -> str | None:
    return next((reason for network, reason in _DENIED_V4 if address in network), None)


def _refusal_v6(address: _IPv6) -> str | None:
    embedded = _embedded(address)
    if embedded is not None:
        return _refusal_v4(embedded)
    if address in _GLOBAL_V6:
        return next((reason for network, reason in _DENIED_V6 if address in network), None)
    return next((reason for network, reason in _NAMES_V6 if address in network), "reserved")


def _embedded(address: _IPv6) -> _IPv4 | None:
    """Return the IPv4 address that a translator on the way would connect to."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _SIX_TO_FOUR:
        return _IPv4(int(address) >> 80 & 0xFFFFFFFF)
    if address in _NAT64:
        return _IPv4(int(address) & 0xFFFFFFFF)
    return None
