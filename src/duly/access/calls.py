"""Calls are gathered for a second, and told to the ledger: who called what, and how it ended.

One entry for each actor, operation and status, with a count: who calls a thousand times a
second does not fill the ledger. What a call changes is told apart, by the verb that changes
it, in the transaction of the change. A process that is killed loses its last second of calls.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import Counter, defaultdict

from django.db import connections

from duly import clock
from duly.store import calls as store
from duly.store.calls import Calls
from duly.telemetry import emit

UNKNOWN = "unknown"
"""Whoever has no valid key or token."""
OTHERS = "others"
"""Of whom there were too many within one second to name each."""
EVERY_SECONDS = 1.0
RETRY_SECONDS = 5.0
MOST_GATHERED = 1000

_Name = tuple[str, str, str, int]


class CallLog:
    """Gathers the calls of this process, and writes them down in a thread of its own."""

    _lock: threading.Lock
    _writing: threading.Lock
    _gathered: Counter[_Name]
    _thread: threading.Thread | None

    def __init__(self) -> None:
        self._afresh()

    def add(self, using: str, actor: str, operation: str, status: int) -> None:
        """Count one call. Never waits for the database, and never fails."""
        with self._lock:
            self._count((using, actor, operation, status), 1)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="duly-calls", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Write down what has been gathered. Raises django.db.Error, and nothing is lost."""
        with self._writing:
            with self._lock:
                gathered, self._gathered = self._gathered, Counter()
            by_database: defaultdict[str, list[Calls]] = defaultdict(list)
            for (using, actor, operation, status), count in gathered.items():
                by_database[using].append(Calls(actor, operation, status, count))
            for using, calls in by_database.items():
                try:
                    store.write(using, calls, clock.now(using))
                except Exception:
                    with self._lock:
                        for name, count in gathered.items():
                            if name[0] == using:
                                self._count(name, count)
                    raise

    def close(self) -> None:
        """Write down what is left, at the end of the process."""
        if self._gathered:
            self._try()

    def forget(self) -> None:
        """Drop what has been gathered (tests do)."""
        with self._writing, self._lock:
            self._gathered.clear()

    def _afresh(self) -> None:
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._gathered = Counter()
        self._thread = None

    def _count(self, name: _Name, count: int) -> None:
        if name not in self._gathered and len(self._gathered) >= MOST_GATHERED:
            using, _, _, status = name
            name = (using, OTHERS, "", status)
        self._gathered[name] += count

    def _run(self) -> None:
        pause = threading.Event()
        wait = EVERY_SECONDS
        while True:
            pause.wait(wait)
            wait = EVERY_SECONDS if self._try() else RETRY_SECONDS
            with self._lock:
                if not self._gathered:
                    # The next call starts another.
                    self._thread = None
                    return

    def _try(self) -> bool:
        """Write down what has been gathered; says whether that went well."""
        try:
            self.flush()
        except Exception as error:
            # The calls themselves have been answered: nobody else can be told.
            emit("calls.faulted", error=f"{error!r:.200}", wait_seconds=RETRY_SECONDS)
            return False
        finally:
            connections.close_all()
        return True


call_log = CallLog()
"""Of this process."""
atexit.register(call_log.close)
if hasattr(os, "register_at_fork"):
    # What the parent has gathered it writes down itself.
    os.register_at_fork(after_in_child=call_log._afresh)
