"""`duly run`: one engine with its local workers, until it is told to stop."""

from __future__ import annotations

import json
import math
import os
import queue
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime
from types import FrameType
from typing import Any

from django.db import connections
from django.db.models import Q

from duly import clock, registry, services
from duly.civil import zones
from duly.cli.processes import Engines, Signals
from duly.cli.tables import visible
from duly.conf import Config, config
from duly.engine.loop import Engine
from duly.engine.options import EngineOptions
from duly.errors import ConfigurationError
from duly.exporters.logs import write_json
from duly.models import Occurrence, ScheduledEvent
from duly.policy.service import HandlerTarget, Service
from duly.store.portable import NO_HANDLER

# How often --once asks whether it is done.
ONCE_SECONDS = 0.1
INTERRUPTED = 130
MOST_PROCESSES = 64
MOST_NAMED = 10
# Of no interest to who looks whether his own are found.
_OURS = frozenset({"duly.handlers", "duly.celery.sending", "duly.django_tasks.running"})


def perform(options: Namespace) -> int:
    """Run an engine until SIGTERM or SIGINT; 1 where not all of it could be written down."""
    if options.log == "json":
        write_json()
    settings = _overridden(config(), options)
    count = options.processes
    if not 1 <= count <= MOST_PROCESSES:
        raise ConfigurationError(f"--processes must be 1 to {MOST_PROCESSES}, got {count}")
    if count > 1:
        each = Namespace(**vars(options) | {"processes": 1})
        with _signals() as signals:
            return Engines(each, count, _say_plain).run(signals)
    engine_options = EngineOptions.of(settings)
    engine = Engine(engine_options)
    say = _say_json if options.json else _say
    with _signals() as signals:
        began = clock.now(settings.database)
        engine.start()
        say("engine.started", _introduction(engine_options))
        try:
            if options.once:
                _await_idle(engine_options, began, signals)
            else:
                signals.get()
        finally:
            clean = engine.stop()
        say("engine.stopped", {"holder": str(engine_options.holder), "clean": clean})
    return 0 if clean else 1


def _overridden(settings: Config, options: Namespace) -> Config:
    given = {
        field.name: getattr(options, field.name)
        for field in fields(Config)
        if getattr(options, field.name, None) is not None
    }
    for name, value in given.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigurationError(f"--{name.replace('_', '-')} must be finite, got {value}")
    return replace(settings, **given)


@contextmanager
def _signals() -> Iterator[Signals]:
    """Turn the first SIGTERM or SIGINT into an item of a queue; Ctrl-C after it ends the process.

    A second SIGTERM changes nothing: timeout(1) sends two at once, and means one.

    A SimpleQueue, because its `put` may interrupt its own `get`; an Event's `set` may not
    interrupt its `wait` (https://docs.python.org/3/library/queue.html#simplequeue-objects).
    """
    received: Signals = queue.SimpleQueue()

    def receive(number: int, frame: FrameType | None) -> None:
        if earlier and number == signal.SIGINT:
            os._exit(INTERRUPTED)
        earlier.append(number)
        received.put(number)

    earlier: list[int] = []
    before = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _await_idle(options: EngineOptions, began: datetime, signals: Signals) -> None:
    """Wait until nothing is left of what was due when the engine began, or a signal comes."""
    while _has_work(options, began):
        try:
            signals.get(timeout=ONCE_SECONDS)
        except queue.Empty:
            continue
        return


def _has_work(options: EngineOptions, began: datetime) -> bool:
    # In this order: an event moves on in the transaction that its occurrence is born in,
    # so that what is missed by the first question is seen by the second.
    events = ScheduledEvent.objects.using(options.using).filter(next_at__lte=began)
    ours = Q(holder=options.holder) | Q(wake_at__lte=clock.now(options.using))
    # Woken by this engine's start, and perhaps not yet.
    ours |= Q(reason__startswith=NO_HANDLER, event_type__in=registry.known_types())
    begun = Occurrence.objects.using(options.using).filter(
        ours, due_at__lte=began, wake_at__isnull=False
    )
    return events.exists() or begun.exists()


def _introduction(options: EngineOptions) -> dict[str, Any]:
    return {
        "holder": str(options.holder),
        "database": _database(options.using),
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


def _database(using: str) -> str:
    """Name the database without its password."""
    connection = connections[using]
    settings = connection.settings_dict
    name = str(settings["NAME"])
    if connection.vendor == "sqlite":
        return f"SQLite {os.path.abspath(name)}"
    place = settings["HOST"] or "localhost"
    port = f":{settings['PORT']}" if settings["PORT"] else ""
    return f"{connection.display_name} {name} at {place}{port}"


def _say_plain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _say(name: str, facts: dict[str, Any]) -> None:
    print(visible(_LINES[name](facts)), flush=True)


def _say_json(name: str, facts: dict[str, Any]) -> None:
    print(json.dumps({"name": name, **facts}), flush=True)


def _started(facts: dict[str, Any]) -> str:
    return (
        f"duly: engine {facts['holder']} runs on {facts['database']}; "
        f"handles {_listed(facts['handlers'])}; {_delivers(facts['services'])}"
        f"tz data {facts['tzdata']}"
    )


def _stopped(facts: dict[str, Any]) -> str:
    end = "all written" if facts["clean"] else "not all could be written; leases will end it"
    return f"duly: engine {facts['holder']} stopped, {end}"


def _delivers(services: dict[str, str]) -> str:
    if not services:
        return ""
    told = [f"{name} to {target}" for name, target in sorted(services.items())]
    return f"delivers {_listed(told)}; "


def _listed(names: list[str]) -> str:
    if not names:
        return "nothing: no handler is registered"
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


_LINES: dict[str, Callable[[dict[str, Any]], str]] = {
    "engine.started": _started,
    "engine.stopped": _stopped,
}
