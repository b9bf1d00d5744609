"""Which addresses are not the public Internet's."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duly.policy.denied_networks import DENIED, carried_by, denial_of, is_denied_throughout


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("0.0.0.0", "this host"),
        ("10.255.255.255", "private"),
        ("100.64.0.1", "carrier's NAT"),
        ("127.0.0.1", "loopback"),
        ("168.63.129.16", "Azure"),
        ("169.254.169.254", "link-local"),
        ("172.31.255.255", "private"),
        ("192.0.0.192", "protocols"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "6to4"),
        ("192.168.1.1", "private"),
        ("198.19.255.255", "benchmarks"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("239.255.255.250", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("240.0.0.1", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::7f00:1", "IPv4-compatible"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:0:7f00:1", "outside"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("64:ff9b:1::a9fe:a9fe", "local translation"),
        ("100::1", "discarded"),
        ("2001::1", "Teredo"),
        ("2001:db8::1", "documentation"),
        ("2001:20::1", "protocols"),
        ("2002:a00:1::", "private"),
        ("3fff::1", "documentation"),
        ("5f00::1", "routing domain"),
        ("fd00:ec2::254", "private"),
        ("fe80::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("4000::1", "outside"),
        ("e000::1", "outside"),
    ],
)
def test_an_address_that_is_not_public_is_denied_and_told_what_it_is(
    address: str, what: str
) -> None:
    denied = denial_of(ip_address(address))

    assert denied is not None
    assert what in denied.what or what in denied.source


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.32.0.0",
        "192.0.1.0",
        "223.255.255.255",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2002:101:101::1",
    ],
)
def test_a_public_address_is_not_denied(address: str) -> None:
    assert denial_of(ip_address(address)) is None


def test_an_allowed_network_is_no_more_denied_in_any_of_its_spellings() -> None:
    allow = (ip_network("10.0.0.0/8"), ip_network("fd00::/16"))

    for allowed in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd00::1"):
        assert denial_of(ip_address(allowed), allow) is None
    for denied in ("127.0.0.1", "::ffff:127.0.0.1", "fd01::1"):
        assert denial_of(ip_address(denied), allow) is not None


def test_to_allow_a_network_must_change_something() -> None:
    for within in ("10.0.0.0/8", "10.1.0.0/16", "127.0.0.1/32", "fd00::/8", "::1/128"):
        assert is_denied_throughout(ip_network(within))
    for beyond in ("0.0.0.0/0", "8.0.0.0/6", "1.1.1.1/32", "::/0", "2606:4700::/32"):
        assert not is_denied_throughout(ip_network(beyond))


@given(st.ip_addresses(v=4))
def test_pythons_own_table_denies_no_ipv4_address_that_ours_lets_pass(address: IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        assert denial_of(address) is not None


@given(st.ip_addresses(v=6))
def test_pythons_own_table_denies_no_ipv6_address_that_ours_lets_pass(address: IPv6Address) -> None:
    if not address.is_global or address.is_multicast:
        assert denial_of(address) is not None or carried_by(address) is not None


@pytest.mark.parametrize("version", ["_IPv4Constants", "_IPv6Constants"])
def test_each_private_network_that_python_knows_is_denied(version: str) -> None:
    known = getattr(ipaddress, version)._private_networks

    assert len(known) > 8
    for network in known:
        if carried_by(network.network_address) is None:  # Else what it carries is judged.
            assert is_denied_throughout(network), network


def test_the_narrower_entry_comes_first() -> None:
    for place, entry in enumerate(DENIED):
        for later in DENIED[place + 1 :]:
            if later.network.version == entry.network.version:
                assert not (
                    later.network != entry.network and later.network.subnet_of(entry.network)  # type: ignore[arg-type]
                ), (entry, later)
