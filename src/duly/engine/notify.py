"""Notify: a thread that looks for failures now and then, and tells somebody of them.

Each group of failures is told of once in an interval, by one engine of all; what goes wrong with
the telling is told in the ledger and the log, and never becomes a failure to be told of.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connections

from duly.clock import Clock
from duly.engine.channels import Message, send
from duly.engine.guard import stamped_environment
from duly.engine.incidents import incidents
from duly.models import Notice
from duly.policy.notify import Kind, Notify
from duly.store import facts, notices
from duly.telemetry import emit

FIRST_LOOK_SECONDS = 2.0
LOOK_SECONDS = 15.0
# In one message; the rest is counted.
MOST_SHOWN = 20
_WHAT = {
    Kind.DEAD: "died",
    Kind.BREAKER: "a breaker opened",
    Kind.SLO: "too late",
    Kind.ENGINE: "engines",
    Kind.TZDATA: "time zone data",
}
_FIX = {
    Kind.DEAD: "duly dead --type {type}; mend it; duly replay --type {type}",
    Kind.BREAKER: "duly breakers; it is tried again by itself",
    Kind.SLO: "duly doctor; duly top",
    Kind.ENGINE: "duly doctor; see why the process ended",
    Kind.TZDATA: "pip install --upgrade tzdata",
}


class NotifyWatch:
    """Looks and tells, from a thread of its own; does nothing where nobody is to be told."""

    def __init__(self, using: str, clock: Clock, notify: Notify | None, environment: str) -> None:
        self._using = using
        self._clock = clock
        self._notify = notify
        self._environment = environment
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duly-notifier", daemon=True)

    def start(self) -> None:
        if self._notify is not None:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        assert self._notify is not None
        wait = FIRST_LOOK_SECONDS
        while not self._stopping.wait(wait):
            try:
                now = self._clock.now(self._using)
                look(self._using, now, self._notify, self._environment)
            except Exception as error:
                emit("engine.faulted", part="notify", error=repr(error), wait_seconds=LOOK_SECONDS)
            finally:
                connections.close_all()
            wait = LOOK_SECONDS


def look(
    using: str,
    now: datetime,
    notify: Notify,
    environment: str,
    every: timedelta = timedelta(seconds=LOOK_SECONDS),
) -> int:
    """Look for what has failed since the last look, and tell of it; gives how many groups.

    Nothing is looked for where another has looked less than `every` ago, nor on a database of
    another environment: a copy of production must not call production's people.
    Raises django.db.Error.
    """
    stamped = stamped_environment(using)
    if environment and stamped is not None and stamped != environment:
        return 0
    taken: list[Notice] = []
    with notices.turn(using, now, every) as turn:
        if turn is not None:
            turn.add(incidents(turn, notify))
            taken = turn.take()
    return tell(using, now, notify, taken, environment) if taken else 0


def tell(
    using: str, now: datetime, notify: Notify, taken: Sequence[Notice], environment: str
) -> int:
    """Send one message of some groups; gives how many were told of.

    They are told of where one channel took it. What failed is in the ledger and the log.
    """
    message = message_of(taken, notify, environment)
    errors = send(message, notify, using, now)
    for channel, error in errors.items():
        emit("notification.failed", channel=channel, error=error)
        data = {"channel": channel, "error": error, "subject": message.subject}
        notices.record(using, now, facts.NOTIFICATION_FAILED, data)
    if len(errors) == len(notify.channels):
        notices.not_told(using, taken, now)
        return 0
    notices.told(using, taken, now, notify.interval)
    sent = [channel for channel in notify.channels if channel not in errors]
    told = {"channels": sent, "groups": len(taken), "subject": message.subject}
    notices.record(using, now, facts.NOTIFIED, told)
    emit("notification.sent", channels=sent, groups=len(taken))
    return len(taken)


def message_of(taken: Sequence[Notice], notify: Notify, environment: str) -> Message:
    """Write the message of some groups."""
    place = f"duly {environment}".strip()
    if len(taken) == 1:
        said = _headline(taken[0])
    else:
        kinds = Counter(_WHAT[Kind(row.kind)] for row in taken)
        said = f"{len(taken)} things: " + ", ".join(
            f"{what} ({count})" if count > 1 else what for what, count in kinds.items()
        )
    parts = [_paragraph(row) for row in taken[:MOST_SHOWN]]
    if len(taken) > MOST_SHOWN:
        parts.append(f"... and {len(taken) - MOST_SHOWN} more; see 'duly doctor'.")
    hours = notify.interval / timedelta(hours=1)
    parts.append(f"Of each of these you are told once in {hours:g} h at most.")
    return Message(
        _one_line(f"[{place}] {said}")[:200],
        "\n\n".join(parts) + "\n",
        {
            "environment": environment,
            "subject": _one_line(said)[:200],
            "groups": [_data(row) for row in taken],
        },
    )


def _headline(row: Notice) -> str:
    if row.kind == Kind.DEAD:
        return f"{row.count} {row.event_type} died: {row.about}"
    return row.about


def _paragraph(row: Notice) -> str:
    lines = [_one_line(_headline(row))]
    if row.service:
        lines.append(f"  service {row.service}")
    if row.count > 1:
        lines.append(f"  {row.count} times from {_at(row.first_at)} to {_at(row.last_at)}")
    else:
        lines.append(f"  at {_at(row.last_at)}")
    return "\n".join([*lines, f"  -> {_FIX[Kind(row.kind)].format(type=row.event_type)}"])


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _one_line(text: str) -> str:
    """Leave out what could begin another line, of a mail's headers too."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _data(row: Notice) -> dict[str, object]:
    return {
        "kind": row.kind,
        "service": row.service,
        "event_type": row.event_type,
        "about": row.about,
        "count": row.count,
        "first_at": row.first_at.isoformat(),
        "last_at": row.last_at.isoformat(),
    }
