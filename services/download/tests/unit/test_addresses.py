import ipaddress

import pytest
from cinelog_download.domain.addresses import AddressPolicy, refusal
from hypothesis import given
from hypothesis import strategies as st

DENIED = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "240.0.0.1",
    "168.63.129.16",
    "100.100.100.200",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "fd00:ec2::254",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:c0a8:101::1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001:0:53aa:64c:0:0:f5ff:fffe",
    "2001:10::1",
    "100::1",
    "5f00::1",
    "not-an-address",
    "1.2.3",
    "0x7f.1",
]
ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "100.63.255.255",
    "100.128.0.1",
    "169.253.255.255",
    "223.255.255.255",
    "11.0.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "2606:4700::1111",
    "2a00:1450:4001:80e::200e",
    "::ffff:8.8.8.8",
    "2002:808:808::1",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize("address", DENIED)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert AddressPolicy().refusal(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_public_addresses_are_let_through(address: str) -> None:
    assert AddressPolicy().refusal(address) is None


@pytest.mark.parametrize("address", [*DENIED, *ALLOWED])
def test_everything_is_let_through_where_the_setting_says_so(address: str) -> None:
    assert AddressPolicy(allow_private=True).refusal(address) is None


@given(st.ip_addresses(v=4))
def test_no_refused_ipv4_address_passes_in_an_ipv6_disguise(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    disguises = (
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
    )

    verdict = refusal(str(address))

    assert {refusal(str(each)) for each in disguises} == {verdict}


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_let_through(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    special = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    if special or (isinstance(address, ipaddress.IPv4Address) and address.is_private):
        assert refusal(str(address)) is not None


@pytest.mark.parametrize("port", [0, 21, 22, 25, 110, 2375, 3306, 6379, 9092, 11211, 27017])
def test_ports_of_other_protocols_are_refused(port: int) -> None:
    assert AddressPolicy().refuses_port(port)
    assert not AddressPolicy(allow_private=True).refuses_port(port)


@pytest.mark.parametrize("port", [80, 443, 8000, 8080, 8443, 50000])
def test_ports_of_web_servers_are_let_through(port: int) -> None:
    assert not AddressPolicy().refuses_port(port)
