"""Handlers that note their effects, and a few that misbehave.

With FAILPOINT=statement:moment:n set, the process kills itself the n-th time that it comes to
that moment ("before" or "after") of a statement of the store.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connections

from duly import GiveUp, Retry
from duly.conf import config
from duly.registry import Occurrence, handler
from duly.store.portable import PortableStore
from duly.store.postgres import PostgresStore
from tests.faults.campaign import logs

QUICK = Retry(attempts=8, base=timedelta(milliseconds=200), cap=timedelta(seconds=1))

_directory = Path(os.environ[logs.DIRECTORY_VARIABLE])
_log = logs.Log(_directory, "effects")


def _note(occurrence: Occurrence) -> None:
    _log.write(
        key=occurrence.idempotency_key,
        type=occurrence.event_type,
        attempt=occurrence.attempt,
        at=logs.now(),
        due=occurrence.due_at.timestamp(),
        pid=os.getpid(),
    )


@handler("plain", retry=QUICK)
def plain(occurrence: Occurrence) -> None:
    """Has an effect, and then works for a moment."""
    _note(occurrence)
    time.sleep(occurrence.payload or 0)


@handler("steady", retry=QUICK)
async def steady(occurrence: Occurrence) -> None:
    """The same, on the event loop."""
    _note(occurrence)


@handler("flaky", retry=QUICK)
def flaky(occurrence: Occurrence) -> None:
    """Fails twice, in ways that a handler should not."""
    _note(occurrence)
    if occurrence.attempt == 1:
        raise [ValueError("no"), SystemExit(3), RecursionError(), KeyboardInterrupt()][
            hash(occurrence.idempotency_key) % 4
        ]
    if occurrence.attempt == 2:
        # Leaves a broken transaction behind.
        with connections[config().database].cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")


@handler("deadly", retry=QUICK)
def deadly(occurrence: Occurrence) -> None:
    """Ends its process on the first attempt."""
    _note(occurrence)
    if occurrence.attempt == 1:
        os._exit(17)


@handler("hanging", retry=QUICK, timeout=1.0)
def hanging(occurrence: Occurrence) -> None:
    """Overruns its time on the first attempt."""
    _note(occurrence)
    if occurrence.attempt == 1:
        time.sleep(3)


@handler("slow", retry=QUICK)
def slow(occurrence: Occurrence) -> None:
    """Takes so long that it is often caught in the middle."""
    _note(occurrence)
    time.sleep(1.0)


@handler("hopeless", retry=QUICK)
def hopeless(occurrence: Occurrence) -> None:
    """Gives up."""
    _note(occurrence)
    raise GiveUp("no")


@handler("atomic", retry=QUICK, atomic=True)
def atomic(occurrence: Occurrence) -> None:
    """Has its effect in duly's own database."""
    with connections[config().database].cursor() as cursor:
        cursor.execute(
            "INSERT INTO campaign_effect (key, attempt, at) VALUES (%s, %s, %s)",
            [occurrence.idempotency_key, occurrence.attempt, logs.now()],
        )
    time.sleep(occurrence.payload or 0)


def _arm(point: str) -> None:
    """Kill this process at a named moment."""
    name, moment, number = point.split(":")
    counts: Counter[str] = Counter()

    def die_at(found: str) -> None:
        counts[found] += 1
        if found == moment and counts[found] == int(number):
            logs.Log(_directory, "failpoints").write(point=point, pid=os.getpid(), at=logs.now())
            os.kill(os.getpid(), signal.SIGKILL)

    def around(store: type[Any], method: str, is_point: Any) -> None:
        original = getattr(store, method)

        def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
            hit = is_point(args)
            if hit:
                die_at("before")
            answer = original(self, *args, **kwargs)
            if hit and answer:
                die_at("after")
            return answer

        setattr(store, method, wrapped)

    if name in ("claim_due", "claim_waking", "start", "finish", "rescue_expired", "extend"):
        around(PostgresStore, name, lambda args: True)
        if name not in vars(PostgresStore):
            return
        around(PortableStore, name, lambda args: True)
    else:
        # Inside the transaction: around one of its statements.
        around(PostgresStore, "_rows", lambda args: args[0] == name)


if point := os.environ.get(logs.FAILPOINT_VARIABLE):
    _arm(point)
if __name__ == "__main__":
    sys.exit("to be named in DULY_HANDLERS")
