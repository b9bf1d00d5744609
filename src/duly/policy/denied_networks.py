"""Where duly does not send of its own accord: addresses that are not the public Internet's.

A table of our own rather than `ipaddress.is_global`: that passes NAT64's prefix, differs
between releases of Python, and knows nothing of what a cloud keeps on public addresses.

Source: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), IANA IPv6 Address
Space registry; each entry names its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class DeniedNetwork:
    """One entry of the table."""

    network: Network
    what: str
    """What its addresses are, such as "loopback"."""
    source: str


_OUTSIDE = "outside of the global unicast addresses"
_IPV6_SPACE = "IANA IPv6 Address Space"

# In either family the narrower network comes first: it says best what an address is.
DENIED = tuple(
    DeniedNetwork(ip_network(network), what, source)
    for network, what, source in (
        ("0.0.0.0/8", "this host on this network", "RFC 1122 section 3.2.1.3"),
        ("10.0.0.0/8", "private", "RFC 1918"),
        ("100.64.0.0/10", "shared behind a carrier's NAT", "RFC 6598"),
        ("127.0.0.0/8", "loopback", "RFC 1122 section 3.2.1.3"),
        ("168.63.129.16/32", "the host of an Azure machine", "Azure, IP address 168.63.129.16"),
        ("169.254.0.0/16", "link-local, as a cloud's metadata is", "RFC 3927"),
        ("172.16.0.0/12", "private", "RFC 1918"),
        ("192.0.0.0/24", "kept for protocols", "RFC 6890"),
        ("192.0.2.0/24", "kept for documentation", "RFC 5737"),
        ("192.88.99.0/24", "a 6to4 relay", "RFC 7526"),
        ("192.168.0.0/16", "private", "RFC 1918"),
        ("198.18.0.0/15", "kept for benchmarks", "RFC 2544"),
        ("198.51.100.0/24", "kept for documentation", "RFC 5737"),
        ("203.0.113.0/24", "kept for documentation", "RFC 5737"),
        ("224.0.0.0/4", "multicast", "RFC 5771"),
        ("255.255.255.255/32", "broadcast", "RFC 919"),
        ("240.0.0.0/4", "reserved", "RFC 1112"),
        ("::/128", "unspecified", "RFC 4291"),
        ("::1/128", "loopback", "RFC 4291"),
        ("::/96", "IPv4-compatible, deprecated", "RFC 4291 section 2.5.5.1"),
        ("64:ff9b:1::/48", "a local translation to IPv4", "RFC 8215"),
        ("100::/64", "discarded", "RFC 6666"),
        ("2001::/32", "Teredo", "RFC 4380"),
        ("2001:db8::/32", "kept for documentation", "RFC 3849"),
        ("2001::/23", "kept for protocols", "RFC 2928"),
        ("3fff::/20", "kept for documentation", "RFC 9637"),
        ("5f00::/16", "a segment of a routing domain", "RFC 9602"),
        ("fc00::/7", "private", "RFC 4193"),
        ("fe80::/10", "link-local", "RFC 4291"),
        ("fec0::/10", "site-local, deprecated", "RFC 3879"),
        ("ff00::/8", "multicast", "RFC 4291"),
        # What is left of everything that is not 2000::/3.
        ("::/3", _OUTSIDE, _IPV6_SPACE),
        ("4000::/2", _OUTSIDE, _IPV6_SPACE),
        ("8000::/1", _OUTSIDE, _IPV6_SPACE),
    )
)

# Prefixes that carry an IPv4 address, and how far to its right: the packet ends up there.
_CARRIERS = (
    (IPv6Network("::ffff:0:0/96"), 0),  # RFC 4291 section 2.5.5.2
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056
)


def denial_of(address: Address, allow: tuple[Network, ...] = ()) -> DeniedNetwork | None:
    """Give the entry that denies an address, or None where it may be connected to.

    An address that carries another is judged by that one.
    allow: networks that may be connected to though the table denies them.
    """
    inner = carried_by(address)
    if is_within(address, allow) or (inner is not None and is_within(inner, allow)):
        return None
    judged = address if inner is None else inner
    return next((entry for entry in DENIED if judged in entry.network), None)


def carried_by(address: Address) -> IPv4Address | None:
    """Give the IPv4 address that an IPv6 address stands for, or None."""
    for network, shift in _CARRIERS:
        if address in network:
            return IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return None


def is_within(address: Address, networks: tuple[Network, ...]) -> bool:
    """Say whether one of the networks holds an address."""
    return any(address in network for network in networks)


def is_denied_throughout(network: Network) -> bool:
    """Say whether all of a network is denied, so that to allow it changes something."""
    first, last = int(network.network_address), int(network.broadcast_address)
    return any(
        int(entry.network.network_address) <= first and last <= int(entry.network.broadcast_address)
        for entry in DENIED
        if entry.network.version == network.version
    )
