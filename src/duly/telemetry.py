"""What the core says about itself: names in the past tense, for whoever listens.

| name | fields | when |
|---|---|---|
| events.scheduled | count, lead_seconds* | events were stored; their transaction may yet fail |
| engine.started | holder | an engine has begun to claim |
| engine.beat | holder, running, held, clock_offset | an engine has said that it is there |
| engine.stopped | holder, released, interrupted | an engine has let go of it all |
| engine.held | environment, database | the database is another environment's: nothing is fired |
| engine.faulted | part, error, wait_seconds | a part of an engine failed and tries again |
| events.planned | born, took_seconds | due events got their occurrences, in one claim |
| events.held | event_id, error | a rule could not be evaluated; its event is paused |
| occurrences.claimed | count, took_seconds | waking occurrences were handed out again |
| occurrences.started | count, refused, late_seconds* | attempts began; the refused had moved on |
| occurrences.parked | count, event_types | nobody in this process handles these types |
| occurrences.deferred | count | a breaker, a limit or a rate kept them from beginning |
| occurrences.handed_over | count | their messages are with a broker |
| messages.ignored | occurrence_id, attempt | a message came that nothing waits for |
| occurrences.skipped | count, reason | occurrences were ended that are not to begin any more |
| occurrences.recorded | count, fenced, ended* | outcomes were written; the fenced came too late |
| attempt.failed | event_type, event_id, occurrence_id, attempt, fact, again_at, error | `fact` |
| occurrences.rescued | count, ended* | attempts whose lease ran out were taken back |
| leases.extended | count, lost | a heartbeat |
| clock.offset | offset_seconds | this host's clock is ahead of the database's, or behind |
| clock.jumped | offset_seconds | the database's clock moved against the monotonic clock; doubted |
| clock.settled | offset_seconds | it is believed again, and time has moved by so much |
| events.rederived | zone, count, moved | events were derived anew with other time zone data |
| notification.sent | channels, groups | somebody was told of failures |
| notification.failed | channel, error | a channel did not take it |
| history.pruned | occurrences, events, entries, sagas | what ended long ago was deleted |
| breaker.moved | gate, status | a breaker opened, or closed |
| engines.forgotten | count | engines that died a day ago were removed from the table |
| gates.swept | count | what the ended had left at gates was removed |
| target.away | target, error, wait_seconds | nothing can be handed over to it; it is tried again |
| service.refused | service, error | a service's row cannot be read; it delivers nowhere |
| month.kept | month, error | a month was to be dropped, and is in use; a later pruning drops it |
| partitions.made | names | the partitions of months to come were made |
| redaction.failed | event_type, error | DULY["REDACT"] raised; nothing of that payload is shown |
| saga.moved | saga, definition, status | a saga was started, goes back, has ended or stands still |
| tzdata.changed | release | other time zone data was found and read |
| tzdata.outdated | release, applied | this process has older data than its events follow |
| listener.faulted | error, wait_seconds | LISTEN broke; polling goes on |
| stream.faulted | error, wait_seconds | the streams could not read the ledger; it is tried again |
| caller.refused | address, prefix, reason | a key or token was not good; this is why |
| login.failed | address, user, wait_seconds | a wrong password; none is looked at for so long |
| calls.faulted | error, wait_seconds | calls could not be written down; it is tried again |
| token_keys.unavailable | url, error | an issuer's keys could not be fetched |

fact: what came of it: retried, at the instant `again_at`, or died.
late_seconds: of each first attempt, how long after its due instant it began.
A field with a * is `Later`: who wants it calls it, and else it is never computed. `ended` is a list
of `Ended`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

_T = TypeVar("_T")
Listener = Callable[[str, Mapping[str, Any]], None]
_listeners: list[Listener] = []
_logger = logging.getLogger("duly")
_WARNINGS = frozenset(
    {
        "attempt.failed",
        "engine.faulted",
        "engine.held",
        "clock.offset",
        "events.held",
        "clock.jumped",
        "clock.settled",
        "breaker.moved",
        "calls.faulted",
        "listener.faulted",
        "login.failed",
        "stream.faulted",
        "month.kept",
        "notification.failed",
        "occurrences.parked",
        "redaction.failed",
        "service.refused",
        "target.away",
        "token_keys.unavailable",
        "tzdata.outdated",
    }
)


class Later(Generic[_T]):
    """What a listener may ask for while it is told; computed when one first does.

    So that what is said of each batch costs nothing for each of its rows where nobody asks.
    """

    __slots__ = ("_compute", "_found")

    def __init__(self, compute: Callable[[], _T]) -> None:
        self._compute = compute

    def __call__(self) -> _T:
        """Give it; again, the same."""
        try:
            return self._found
        except AttributeError:
            self._found: _T = self._compute()
            return self._found

    def __repr__(self) -> str:
        return "(not computed)"


class Ended(NamedTuple):
    """How one attempt ended."""

    event_type: str
    outcome: str
    """The ledger's word: succeeded, retried, snoozed, released or died; or fenced."""
    ran_seconds: float | None
    """From the beginning of its handler; None where that never began, or nobody knows."""


def emit(name: str, **fields: Any) -> None:
    """Tell every listener that something happened; what they raise is logged, not spread."""
    level = logging.WARNING if name in _WARNINGS else logging.DEBUG
    if _logger.isEnabledFor(level):
        said = " ".join(f"{k}={v}" for k, v in fields.items())
        _logger.log(level, "%s %s", name, said, extra={"duly_fields": fields})
    for listener in tuple(_listeners):
        try:
            listener(name, fields)
        except Exception:
            _logger.exception("a telemetry listener failed on %s", name)


def subscribe(listener: Listener) -> Callable[[], None]:
    """Call `listener(name, fields)` on every emit; the returned function ends that."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)
