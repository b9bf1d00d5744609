"""Handlers that note their effects, and a few that misbehave.

With CAMPAIGN_FAILPOINT=statement:moment:n set, the process kills itself the n-th time that it
comes to that moment ("before" or "after") of a statement of the store, of a handler's effect, or
of a commit.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from duly import GiveUp, Retry, registry
from duly.conf import config
from duly.registry import Occurrence, handler
from duly.store.portable import PortableStore
from duly.store.postgres import PostgresStore
from tests.faults.campaign import logs

QUICK = Retry(attempts=8, base=timedelta(milliseconds=200), cap=timedelta(seconds=1))

_directory = Path(os.environ[logs.DIRECTORY_VARIABLE])
_log = logs.Log(_directory, "effects")
USES_POSTGRES = os.environ["DULY_DATABASE_URL"].startswith("postgresql")


def _note(occurrence: Occurrence) -> None:
    _moment("handler", "before")
    _log.write(
        key=occurrence.idempotency_key,
        type=occurrence.event_type,
        attempt=occurrence.attempt,
        at=logs.now(),
        due=occurrence.due_at.timestamp(),
        pid=os.getpid(),
    )
    _moment("handler", "after")


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


@handler("leaky", retry=QUICK)
def leaky(occurrence: Occurrence) -> None:
    """Leaves behind memory, a thread, and its connection in a state of its own."""
    _note(occurrence)
    _kept.append(bytearray(100_000))
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    with connections[config().database].cursor() as cursor:
        if connections[config().database].vendor == "postgresql":
            cursor.execute("SET search_path TO nowhere")
        cursor.execute("BEGIN")


@handler("civil", retry=QUICK)
def civil(occurrence: Occurrence) -> None:
    """Is due by the clocks of a place whose law changes."""
    _note(occurrence)


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
    _moment("handler", "before")
    with connections[config().database].cursor() as cursor:
        cursor.execute(
            "INSERT INTO campaign_effect (key, attempt, at) VALUES (%s, %s, %s)",
            [occurrence.idempotency_key, occurrence.attempt, logs.now()],
        )
    _moment("handler", "after")
    time.sleep(occurrence.payload or 0)


_OF_THE_STORE = frozenset(
    {"claim_due", "claim_waking", "start", "take", "finish", "rescue_expired", "extend"}
)
_point = os.environ.get(logs.FAILPOINT_VARIABLE, "")
_kept: list[bytearray] = []
_count = multiprocessing.Value("q", 0)


def _moment(name: str, moment: str) -> None:
    """Die here, if it is this moment's turn."""
    if not _point.startswith(f"{name}:{moment}:"):
        return
    # Counted over forks: of a pool of processes one dies, and none that takes its place.
    with _count.get_lock():
        _count.value += 1
        count = _count.value
    if count == int(_point.rpartition(":")[2]):
        logs.Log(_directory, "failpoints").write(point=_point, pid=os.getpid(), at=logs.now())
        os.kill(os.getpid(), signal.SIGKILL)


def _around(owner: type[Any], method: str, name: str, *, argument: str | None = None) -> None:
    original = getattr(owner, method)

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if argument is not None and args[:1] != (argument,):
            return original(self, *args, **kwargs)
        _moment(name, "before")
        answer = original(self, *args, **kwargs)
        # What did nothing is not the moment that is meant; a commit has no answer.
        if answer or name == "commit":
            _moment(name, "after")
        return answer

    setattr(owner, method, wrapped)


def _arm(name: str) -> None:
    """Make ready for this process to kill itself around something."""
    if name in _OF_THE_STORE:
        store = PostgresStore if USES_POSTGRES else PortableStore
        _around(store, name, name)
    elif name in ("lock_due", "give_birth"):
        # Inside the transaction: around one of its statements.
        _around(PostgresStore, "_rows", name, argument=name)
    elif name == "commit":
        # Django's transactions end here, those of atomic handlers among them.
        _around(BaseDatabaseWrapper, "commit", name)


if _point:
    _arm(_point.partition(":")[0])
for _name in filter(None, os.environ.get(logs.WITHOUT_VARIABLE, "").split(",")):
    registry.unregister(_name)
if __name__ == "__main__":
    sys.exit("to be named in DULY_HANDLERS")
