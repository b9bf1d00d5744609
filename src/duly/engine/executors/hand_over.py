"""What others run: claims on their way to a broker, on a thread of its own for each target.

A claim keeps its lease until its message is out. From then on the lease runs: whoever takes
the message starts the attempt, and if nobody has by its end, it is handed over again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from django.db import connections

from duly import tracing
from duly.policy.backoff import Backoff
from duly.store.rows import Claim
from duly.store.statements import own_connections
from duly.telemetry import emit

LARGEST_BATCH = 200
# What one engine holds for a target that is away; the rest is left unborn, for any engine.
MOST_WAITING = 1000
# While it is away: one to try it with. Others may still reach what this engine cannot.
MOST_WAITING_AWAY = 1
LONGEST_WAIT_SECONDS = 5.0
# What has been handed over and was lost on the way is missed by then, however late it was.
LONGEST_HANDED = timedelta(minutes=5)


def handed_for(late: timedelta, lease: timedelta) -> timedelta:
    """Say for how long what is so late is given to whoever takes it: as long again, in steps.

    What waits in a long queue is so sent a few times at most. No longer: where the broker was
    away that is what made it late, and what it loses next would be missed for minutes.
    """
    wait = lease
    while wait < min(late, LONGEST_HANDED):
        wait = min(wait * 1.25, LONGEST_HANDED)
    return wait


class Publisher(Protocol):
    """A way to a broker."""

    def publish(self, claims: Sequence[Claim]) -> None:
        """Send one message for each claim; raises whatever prevents that."""
        ...

    def close(self) -> None:
        """Let go of its connections."""
        ...


class HandOver:
    """The claims that wait to be published to one target.

    open_publisher: opens the way to it; asked again where that fails.
    handed: is told of those whose messages are out.
    """

    def __init__(
        self,
        name: str,
        open_publisher: Callable[[], Publisher],
        handed: Callable[[Sequence[Claim]], None],
    ) -> None:
        self.name = name
        self._open = open_publisher
        self._publisher: Publisher | None = None
        self._handed = handed
        self._waiting: deque[Claim] = deque()
        self._publishing: list[Claim] = []
        self._changed = threading.Condition()
        self._is_away = False
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name=f"duly-{name}", daemon=True)

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def room(self) -> int:
        """Say how many more claims may wait."""
        with self._changed:
            most = MOST_WAITING_AWAY if self._is_away else MOST_WAITING
            return max(0, most - len(self._waiting) - len(self._publishing))

    def reserve(self, most: int) -> int:
        """Take all: what was claimed must not wait where what others run is held."""
        return most

    def give_back(self, places: int) -> None:
        """Nothing was kept."""

    def take(self, claims: Sequence[Claim]) -> None:
        """Publish claims, as soon as that can be."""
        with self._changed:
            self._waiting.extend(claims)
            self._changed.notify_all()

    def held(self) -> list[tuple[UUID, int]]:
        """Give (occurrence, attempt) of every claim that waits."""
        with self._changed:
            return [(claim.id, claim.attempt) for claim in (*self._waiting, *self._publishing)]

    def drop(self, ids: set[UUID]) -> None:
        """Forget claims that somebody else has taken."""
        with self._changed:
            kept = [claim for claim in self._waiting if claim.id not in ids]
            if len(kept) < len(self._waiting):
                self._waiting = deque(kept)

    def close(self) -> None:
        """Publish nothing more than what is on its way."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def stop(self, seconds: float) -> list[Claim]:
        """Publish nothing more; gives the claims whose messages are not out."""
        self.close()
        self._thread.join(seconds)
        with self._changed:
            # What hangs in a call to the broker may be out or not: its lease ends that.
            return list(self._waiting)

    def _run(self) -> None:
        own_connections()
        backoff = Backoff(longest=LONGEST_WAIT_SECONDS)
        try:
            while batch := self._next():
                try:
                    self._publisher = self._publisher or self._open()
                    with tracing.dispatching(batch):
                        self._publisher.publish(batch)
                    backoff.worked()
                except Exception as error:
                    wait = backoff.failed()
                    emit("target.away", target=self.name, error=repr(error), wait_seconds=wait)
                    self._back(batch, wait)
                    continue
                with self._changed:
                    self._publishing = []
                    self._is_away = False
                self._tell(batch)
        finally:
            if self._publisher is not None:
                self._publisher.close()
            connections.close_all()

    def _next(self) -> list[Claim]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_stopping)
            if self._is_stopping:
                return []
            # What breaks off may have gone out all the same: one is enough to try the way with.
            count = 1 if self._is_away else min(len(self._waiting), LARGEST_BATCH)
            self._publishing = [self._waiting.popleft() for _ in range(count)]
            return list(self._publishing)

    def _back(self, batch: Sequence[Claim], seconds: float) -> None:
        """Keep what was not published, perhaps in part: a message too many changes nothing."""
        with self._changed:
            self._publishing = []
            self._is_away = True
            self._waiting.extendleft(reversed(batch))
            self._changed.wait_for(lambda: self._is_stopping, seconds)

    def _tell(self, batch: Sequence[Claim]) -> None:
        try:
            self._handed(batch)
        except Exception as error:
            # Their leases run as they are: they may be handed over once more. A connection that
            # broke would stay so for the life of this thread.
            connections.close_all()
            emit("engine.faulted", part="hand-over", error=repr(error), wait_seconds=0)
