"""duly: durable, timezone-true scheduled events for Django.

The public names below are resolved on first use, so that `import duly` is safe
in a settings module, before Django is ready.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from duly.civil.cron import Cron
    from duly.civil.resolve import Due
    from duly.civil.rules import At, Every
    from duly.errors import DulyError
    from duly.policy.retry import Retry
    from duly.registry import Occurrence, handler
    from duly.scheduling import (
        Answer,
        NewEvent,
        Upcoming,
        acancel_entity_events,
        acancel_event,
        aexplain,
        apause_event,
        areschedule_event,
        aresume_event,
        aschedule_event,
        aschedule_events,
        atrigger_event,
        aupcoming_events,
        cancel_entity_events,
        cancel_event,
        explain,
        pause_event,
        preview,
        reschedule_event,
        resume_event,
        schedule_event,
        schedule_events,
        trigger_event,
        upcoming_events,
    )

_HOMES = {
    "duly.civil.cron": ("Cron",),
    "duly.civil.resolve": ("Due",),
    "duly.civil.rules": ("At", "Every"),
    "duly.errors": ("DulyError",),
    "duly.policy.retry": ("Retry",),
    "duly.registry": ("Occurrence", "handler"),
    "duly.scheduling": (
        "Answer",
        "NewEvent",
        "Upcoming",
        "acancel_entity_events",
        "acancel_event",
        "aexplain",
        "apause_event",
        "areschedule_event",
        "aresume_event",
        "aschedule_event",
        "aschedule_events",
        "atrigger_event",
        "aupcoming_events",
        "cancel_entity_events",
        "cancel_event",
        "explain",
        "pause_event",
        "preview",
        "reschedule_event",
        "resume_event",
        "schedule_event",
        "schedule_events",
        "trigger_event",
        "upcoming_events",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604 - the names come from the table above
    "__version__",
    *sorted(_HOME_OF),
]


def __getattr__(name: str) -> Any:
    try:
        home = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module 'duly' has no attribute {name!r}") from None
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
