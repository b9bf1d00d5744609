"""What a process with an engine says of itself when it starts and stops."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from django.db import connections

from duly import registry, services
from duly.civil import zones
from duly.cli.tables import visible
from duly.engine.options import EngineOptions
from duly.policy.service import HandlerTarget, Service

MOST_NAMED = 10
# Of no interest to who looks whether his own are found.
_OURS = frozenset({"duly.handlers", "duly.celery.sending", "duly.django_tasks.running"})


def introduction(options: EngineOptions) -> dict[str, Any]:
    """Give what is worth knowing of an engine that starts."""
    return {
        "holder": str(options.holder),
        "database": database_name(options.using),
        "handlers": sorted(filter(_is_the_projects, registry.known_types())),
        "services": {
            service.name: str(service.target)
            for service in _services()
            if not isinstance(service.target, HandlerTarget)
        },
        "tzdata": zones.current().release,
    }


def _services() -> list[Service]:
    services.registry.refresh()
    return services.registry.registered()


def _is_the_projects(event_type: str) -> bool:
    found = registry.find(event_type)
    return found is not None and found.function.__module__ not in _OURS


def database_name(using: str) -> str:
    """Name the database without its password."""
    connection = connections[using]
    settings = connection.settings_dict
    name = str(settings["NAME"])
    if connection.vendor == "sqlite":
        return f"SQLite {os.path.abspath(name)}"
    place = settings["HOST"] or "localhost"
    port = f":{settings['PORT']}" if settings["PORT"] else ""
    return f"{connection.display_name} {name} at {place}{port}"


def say_text(name: str, facts: dict[str, Any]) -> None:
    """Print that an engine started or stopped, in words."""
    print_whole(visible(_LINES[name](facts)))


def say_json(name: str, facts: dict[str, Any]) -> None:
    """Print it as one line of JSON."""
    print_whole(json.dumps({"name": name, **facts}))


def print_whole(line: str) -> None:
    """Print a line in one piece, whatever other process prints into the same pipe.

    print() writes the end of a line apart where output is not buffered (PYTHONUNBUFFERED).
    """
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _started(facts: dict[str, Any]) -> str:
    return (
        f"duly: engine {facts['holder']} runs on {facts['database']}; "
        f"handles {_listed(facts['handlers'])}; {_delivers(facts['services'])}"
        f"tz data {facts['tzdata']}"
    )


def _stopped(facts: dict[str, Any]) -> str:
    end = "all written" if facts["clean"] else "not all could be written; leases will end it"
    return f"duly: engine {facts['holder']} stopped, {end}"


def _waiting(facts: dict[str, Any]) -> str:
    left = [
        f"{one['count']} {one['event_type']} {one['status']}"
        + (f" for {one['target']}" if one["target"] else "")
        for one in facts["for"]
    ]
    return f"duly: waits for {_few(left)}"


def _handed_over(facts: dict[str, Any]) -> str:
    return (
        f"duly: {facts['untaken']} handed over and not begun yet: whoever takes them runs them; "
        "what is lost on the way is handed over again, by an engine that runs after its lease"
    )


def _delivers(services: dict[str, str]) -> str:
    if not services:
        return ""
    told = [f"{name} to {target}" for name, target in sorted(services.items())]
    return f"delivers {_listed(told)}; "


def _listed(names: list[str]) -> str:
    if not names:
        return "nothing: no handler is registered"
    return _few(names)


def _few(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


_LINES: dict[str, Callable[[dict[str, Any]], str]] = {
    "engine.started": _started,
    "engine.waiting": _waiting,
    "engine.handed_over": _handed_over,
    "engine.stopped": _stopped,
}
