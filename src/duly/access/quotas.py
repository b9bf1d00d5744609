"""Quotas of a service: requests, events, pending events and the size of payloads.

Counted in the database, so that all processes share them: one UPDATE by primary key for each
quota that a service has, and none for a service without. Who is refused is refused from
memory until the bucket can have filled again.

How many events are pending is an estimate that errs upwards: as last counted, and all that
were let in since. It is counted anew once it reaches the limit, or is ten minutes old: by one
process at a time, no further than the limit, at most once a second, and for a twentieth of
the time at most.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from duly import clock, payloads
from duly.access.caller import Caller
from duly.access.refusals import QuotaExceeded
from duly.conf import config
from duly.errors import InvalidPayload
from duly.policy.quota import (
    EVENTS,
    NO_QUOTA,
    PENDING,
    REQUESTS,
    Left,
    Quota,
    Remaining,
    Taking,
    left_of,
    microseconds,
)
from duly.policy.rate import Rate
from duly.services import registry
from duly.store import quotas as store
from duly.store.quotas import ANY, Share, Used

_RECOUNT_EVERY_US = 1_000_000
# A count is followed by none for so many times as long as it took.
_RECOUNT_SHARE = 20
# Whoever counts longer than this has died, or somebody else may count as well.
_COUNTING_US = 10_000_000
# An estimate that is older is not gone by: the quota may not have been there for a while.
_OLDEST_US = 600_000_000
_MOST_REFUSED = 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def admit_request(caller: Caller, now: datetime) -> Remaining:
    """Take one request from the quota of the caller's service.

    Gives what is left. Raises QuotaExceeded.
    """
    rate = quota_of(caller.service).requests
    if rate is None:
        return Remaining()
    return _taker.take(_Wanted(REQUESTS, caller.service, 1, rate, None), now)


def admit_events(service: str, count: int, now: datetime) -> Remaining:
    """Take `count` events from the quotas of the service that will own them, before they are
    scheduled; one that exists already and is replaced counts as well.

    More at once than the quota of a span go when the bucket is full, and overdraw it. Gives
    what is left. Raises QuotaExceeded, and then none of them is taken.
    """
    quota = quota_of(service)
    if count <= 0 or (quota.events is None and quota.pending is None):
        return Remaining()
    return _taker.take(_Wanted(EVENTS, service, count, quota.events, quota.pending), now)


def payload_limit(service: str) -> int:
    """Give the largest payload of a service, in bytes of its JSON text in UTF-8."""
    own = quota_of(service).payload_bytes
    most = config().payload_max_bytes
    return most if own is None else min(own, most)


def check_payload(service: str, payload: Any) -> None:
    """Raise InvalidPayload for one that is larger than the quota of its service.

    What DULY["PAYLOAD_MAX_BYTES"] says of all services is left to the verbs.
    """
    own = quota_of(service).payload_bytes
    if own is None:
        return
    size = len(payloads.encode(payload, config().payload_max_bytes).encode())
    if size > own:
        raise InvalidPayload(
            f"payload is {size} bytes as JSON, more than the {own} of the quota of service "
            f"{service!r}; store the data yourself and schedule its id"
        )


def quota_of(service: str) -> Quota:
    """Give the quota of a service, which has none unless it is registered with one."""
    registry.refresh()
    found = registry.find(service)
    return NO_QUOTA if found is None else found.quota


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a service asks for."""

    kind: str
    service: str
    count: int
    rate: Rate | None
    pending: int | None

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.service}"

    def share(self, now_us: int) -> Share:
        tokens = Taking(0, ANY) if self.rate is None else Taking.of(self.rate, self.count, now_us)
        if self.pending is None:
            return Share(tokens=tokens)
        return Share(
            tokens=tokens,
            events=self.count,
            room=self.pending - self.count,
            fresh_us=now_us - _OLDEST_US,
        )

    def left(self, used: Used, now_us: int) -> Remaining:
        found = []
        if self.rate is not None:
            found.append(left_of(self.kind, self.rate, used.full_at_us, now_us))
        if self.pending is not None:
            found.append(Left(PENDING, self.pending, max(0, self.pending - used.pending)))
        return Remaining(tuple(found))


class _Taker:
    """Takes, and remembers who would be refused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused: OrderedDict[tuple[str, str], tuple[_Wanted, int, Used]] = OrderedDict()

    def take(self, wanted: _Wanted, now: datetime) -> Remaining:
        """Take it all, or raise QuotaExceeded."""
        using, now_us = config().database, microseconds(now - _EPOCH)
        self._refuse_again(using, wanted, now_us)
        share = wanted.share(now_us)
        used = store.take(using, wanted.name, share, now_us)
        if used is None:
            there = _looked_into(using, wanted, share, now_us)
            used = store.take(using, wanted.name, share, now_us)
            if used is None:
                raise self._refusal(using, wanted, there, now_us)
        return wanted.left(used, now_us)

    def forget(self) -> None:
        """Ask the database again (tests do)."""
        with self._lock:
            self._refused.clear()

    def _refuse_again(self, using: str, wanted: _Wanted, now_us: int) -> None:
        with self._lock:
            before, until_us, used = self._refused.get((using, wanted.name), (None, 0, None))
        if before is None or used is None or now_us >= until_us:
            return
        # Fewer may fit, and so may as many once the quota is another.
        if replace(before, count=wanted.count) == wanted and wanted.count >= before.count:
            raise _exceeded(wanted, used, until_us, now_us)

    def _refusal(self, using: str, wanted: _Wanted, used: Used, now_us: int) -> QuotaExceeded:
        share = wanted.share(now_us)
        until_us = now_us + max(0, used.full_at_us - share.tokens.latest)
        if used.pending > share.room:
            until_us = max(until_us, used.recount_at_us)
        with self._lock:
            self._refused[using, wanted.name] = (wanted, until_us, used)
            self._refused.move_to_end((using, wanted.name))
            while len(self._refused) > _MOST_REFUSED:
                self._refused.popitem(last=False)
        return _exceeded(wanted, used, until_us, now_us)


_taker = _Taker()


def _looked_into(using: str, wanted: _Wanted, share: Share, now_us: int) -> Used:
    """Find out why nothing was taken, and mend what can be: no row, or a count that is old."""
    there = store.used(using, wanted.name)
    if there is None:
        store.begin(using, wanted.name)
        there = Used(0, 0)
    if wanted.pending is None or there.recount_at_us > now_us:
        return there
    if there.pending <= share.room and there.recount_at_us >= share.fresh_us:
        return there
    if store.claim_recount(using, wanted.name, there, now_us + _COUNTING_US):
        begun = clock.current().monotonic()
        counted = store.count_pending(using, wanted.service, wanted.pending)
        took_us = int((clock.current().monotonic() - begun) * 1_000_000)
        recount_at_us = now_us + max(_RECOUNT_EVERY_US, _RECOUNT_SHARE * took_us)
        store.correct(using, wanted.name, counted - there.pending, recount_at_us)
    return store.used(using, wanted.name) or there


def _exceeded(wanted: _Wanted, used: Used, until_us: int, now_us: int) -> QuotaExceeded:
    is_full = wanted.pending is not None and used.pending > wanted.pending - wanted.count
    return QuotaExceeded(
        PENDING if is_full else wanted.kind,
        str(wanted.pending if is_full else wanted.rate),
        wanted.count,
        timedelta(microseconds=until_us - now_us),
        wanted.left(used, now_us),
    )
