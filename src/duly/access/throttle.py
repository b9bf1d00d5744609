"""Throttle: who brings one bad key after the other is told to wait.

In the memory of each process, and bounded: what fails most recently is remembered.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from duly.policy.rate import Rate

MOST_REMEMBERED = 10_000
# Whoever has one IPv6 address mostly has a whole network of this size.
_OWN_BITS = 64


class Throttle:
    """Buckets of failures, each by a name: of an address, or of a prefix."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._lock = threading.Lock()
        # Until when each is kept: the moment at which its bucket is full again.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait(self, name: str, rate: Rate, now: float) -> timedelta | None:
        """Say how long nothing more is heard from there; None: not at all.

        now: seconds on a clock that only moves forward.
        """
        with self._lock:
            full_at = self._full_at.get(name, now)
        interval = rate.per.total_seconds() / rate.count
        wait = full_at + interval - rate.per.total_seconds() - now
        return timedelta(seconds=wait) if wait > 0 else None

    def failed(self, name: str, rate: Rate, now: float) -> None:
        """Count a failure; never more than the bucket holds, so that a wait stays short."""
        per = rate.per.total_seconds()
        with self._lock:
            full_at = max(now, self._full_at.get(name, now)) + per / rate.count
            self._full_at[name] = min(full_at, now + per)
            self._full_at.move_to_end(name)
            while len(self._full_at) > self._most:
                self._full_at.popitem(last=False)

    def forget(self) -> None:
        """Start anew (tests do)."""
        with self._lock:
            self._full_at.clear()

    def __len__(self) -> int:
        return len(self._full_at)


@lru_cache(maxsize=1024)
def network_of(address: str) -> str:
    """Name what one client has: an IPv4 address, or a network of IPv6."""
    try:
        found = ip_address(address)
    except ValueError:
        # Over a socket of the file system there is none.
        return address[:50]
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return f"{IPv6Address(int(found) >> _OWN_BITS << _OWN_BITS)}/{_OWN_BITS}"
    return str(found)


throttle = Throttle()
"""Of this process."""
