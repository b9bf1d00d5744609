"""duly: durable, timezone-true scheduled events for Django.

The public names below are resolved on first use, so that `import duly` is safe
in a settings module, before Django is ready.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duly.circuits import (
        abreakers,
        aclose_breaker,
        aopen_breaker,
        breakers,
        close_breaker,
        open_breaker,
    )
    from duly.civil.at import At
    from duly.civil.calendars import BusinessCalendar
    from duly.civil.contexts import convert
    from duly.civil.cron import Cron
    from duly.civil.every import Every
    from duly.civil.resolve import Due
    from duly.civil.rrule import RRule
    from duly.definitions import SagaBuilder, saga
    from duly.errors import DulyError
    from duly.intake import NewEvent
    from duly.operations import (
        Plan,
        aamend_event,
        abackfill_event,
        amend_event,
        amove_firing,
        aplan_backfill,
        aplan_reschedule,
        askip_firing,
        backfill_event,
        move_firing,
        plan_backfill,
        plan_reschedule,
        skip_firing,
    )
    from duly.policy.breaker import Breaker
    from duly.policy.handling import Handling
    from duly.policy.limits import Concurrency, Limits
    from duly.policy.retry import GiveUp, Retry, Snooze
    from duly.registry import Occurrence, handler
    from duly.sagas import (
        acancel_saga,
        afind_saga,
        asignal_saga,
        astart_saga,
        cancel_saga,
        find_saga,
        list_sagas,
        signal_saga,
        start_saga,
    )
    from duly.scheduling import (
        Answer,
        Upcoming,
        acancel_entity_events,
        acancel_event,
        aexplain,
        apause_event,
        areplay,
        areplay_dead,
        areschedule_event,
        aresume_event,
        aschedule_event,
        aschedule_events,
        atrigger_event,
        aupcoming_events,
        cancel_entity_events,
        cancel_event,
        dead_letters,
        explain,
        pause_event,
        preview,
        replay,
        replay_dead,
        reschedule_event,
        resume_event,
        schedule_event,
        schedule_events,
        trigger_event,
        upcoming_events,
        validate,
    )
    from duly.service.database_url import database_from_url

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "At",
    "Breaker",
    "BusinessCalendar",
    "Concurrency",
    "Cron",
    "Due",
    "DulyError",
    "Every",
    "GiveUp",
    "Handling",
    "Limits",
    "NewEvent",
    "Occurrence",
    "Plan",
    "RRule",
    "Retry",
    "SagaBuilder",
    "Snooze",
    "Upcoming",
    "__version__",
    "aamend_event",
    "abackfill_event",
    "abreakers",
    "acancel_entity_events",
    "acancel_event",
    "acancel_saga",
    "aclose_breaker",
    "aexplain",
    "afind_saga",
    "amend_event",
    "amove_firing",
    "aopen_breaker",
    "apause_event",
    "aplan_backfill",
    "aplan_reschedule",
    "areplay",
    "areplay_dead",
    "areschedule_event",
    "aresume_event",
    "aschedule_event",
    "aschedule_events",
    "asignal_saga",
    "askip_firing",
    "astart_saga",
    "atrigger_event",
    "aupcoming_events",
    "backfill_event",
    "breakers",
    "cancel_entity_events",
    "cancel_event",
    "cancel_saga",
    "close_breaker",
    "convert",
    "database_from_url",
    "dead_letters",
    "explain",
    "find_saga",
    "handler",
    "list_sagas",
    "move_firing",
    "open_breaker",
    "pause_event",
    "plan_backfill",
    "plan_reschedule",
    "preview",
    "replay",
    "replay_dead",
    "reschedule_event",
    "resume_event",
    "saga",
    "schedule_event",
    "schedule_events",
    "signal_saga",
    "skip_firing",
    "start_saga",
    "trigger_event",
    "upcoming_events",
    "validate",
]

_HOMES = {
    "Cron": "duly.civil.cron",
    "Due": "duly.civil.resolve",
    "RRule": "duly.civil.rrule",
    "convert": "duly.civil.contexts",
    "database_from_url": "duly.service.database_url",
    "BusinessCalendar": "duly.civil.calendars",
    "At": "duly.civil.at",
    "Every": "duly.civil.every",
    "DulyError": "duly.errors",
    "GiveUp": "duly.policy.retry",
    "Retry": "duly.policy.retry",
    "Snooze": "duly.policy.retry",
    "Handling": "duly.policy.handling",
    "Occurrence": "duly.registry",
    "handler": "duly.registry",
    "NewEvent": "duly.intake",
    "Breaker": "duly.policy.breaker",
    "Concurrency": "duly.policy.limits",
    "Limits": "duly.policy.limits",
}
_HOMES |= dict.fromkeys(
    [
        "abreakers",
        "aclose_breaker",
        "aopen_breaker",
        "breakers",
        "close_breaker",
        "open_breaker",
    ],
    "duly.circuits",
)
_HOMES |= dict.fromkeys(
    [
        "Plan",
        "aamend_event",
        "abackfill_event",
        "amend_event",
        "amove_firing",
        "aplan_backfill",
        "aplan_reschedule",
        "askip_firing",
        "backfill_event",
        "move_firing",
        "plan_backfill",
        "plan_reschedule",
        "skip_firing",
    ],
    "duly.operations",
)
_HOMES |= dict.fromkeys(["SagaBuilder", "saga"], "duly.definitions")
_HOMES |= dict.fromkeys(
    [
        "acancel_saga",
        "afind_saga",
        "asignal_saga",
        "astart_saga",
        "cancel_saga",
        "find_saga",
        "list_sagas",
        "signal_saga",
        "start_saga",
    ],
    "duly.sagas",
)
# The verbs, and what they give and take.
_VERBS = "duly.scheduling"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'duly' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, _VERBS)), name)


def __dir__() -> list[str]:
    return sorted(__all__)
