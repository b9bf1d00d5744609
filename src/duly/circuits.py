"""The verbs for circuit breakers: see them, open one by hand, close it."""

from __future__ import annotations

from asgiref.sync import sync_to_async

from duly import clock
from duly.conf import config
from duly.errors import InvalidEvent
from duly.policy.breaker import BreakerState
from duly.store import gates

KINDS = ("service:", "type:")


def breakers() -> dict[str, BreakerState]:
    """Give the state of every breaker that was ever asked, by name, such as "service:crm"."""
    return gates.breakers(config().database)


def open_breaker(name: str, *, actor: str = "") -> BreakerState:
    """Deliver nothing through this breaker until `close_breaker`; what comes due waits.

    name: "service:" and a service, or "type:" and an event type.
    actor: who does this, for the ledger.

    Raises InvalidEvent for any other name.
    """
    return _steer(name, True, actor)


def close_breaker(name: str, *, actor: str = "") -> BreakerState:
    """Let occurrences through again, whatever opened it; what waits follows step by step.

    Raises InvalidEvent as `open_breaker` does.
    """
    return _steer(name, False, actor)


def _steer(name: str, opens: bool, actor: str) -> BreakerState:
    if not isinstance(name, str) or not name.startswith(KINDS) or name in KINDS:
        raise InvalidEvent(
            f"a breaker is named 'service:' and a service or 'type:' and an event type, "
            f"got {name!r:.120}"
        )
    using = config().database
    return gates.steer(using, name, opens=opens, now=clock.now(using), actor=actor)


abreakers = sync_to_async(breakers)
aopen_breaker = sync_to_async(open_breaker)
aclose_breaker = sync_to_async(close_breaker)
