"""The ledger, folded, is the tables: after any history, and not after tampering."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

import duly
from duly import Every, clock
from duly.civil.rules import Rule
from duly.engine.plan import advance
from duly.errors import EventConflict
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.policy.outcome import Failed, LeaseLost, Outcome, Snoozed, Succeeded, decide
from duly.policy.retry import Retry
from duly.store.backends import open_store
from duly.store.contract import Store
from duly.store.rows import Claim, Result
from duly.store.verify import Verified, verify
from tests import builders
from tests.builders import HOLDER, NOW

pytestmark = pytest.mark.also_partitioned
MINUTE = timedelta(minutes=1)
RETRY = Retry(attempts=2, base=MINUTE, cap=MINUTE)


@pytest.fixture
def using(database: str, settings: Any) -> str:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    return database


def disagreements(using: str) -> list[str]:
    return [str(one) for one in verify(using, Verified())]


class History:
    """What an application, its engines and its operators may do, at random."""

    def __init__(self, using: str, seed: int) -> None:
        self.using = using
        self.dice = random.Random(seed)
        self.store: Store = open_store(using)
        # The verbs go by the database's clock, so the engines here begin there too.
        self.now = clock.now(using)
        self.claims: list[Claim] = []
        self.running: list[tuple[Claim, int]] = []

    def step(self) -> None:
        self.now += self.dice.choice([timedelta(seconds=1), MINUTE, 20 * MINUTE])
        self.dice.choice(
            [
                self.schedule,
                self.claim,
                self.claim,
                self.claim_again,
                self.start,
                self.start,
                self.finish,
                self.finish,
                self.rescue,
                self.give_back,
                self.operate,
            ]
        )()

    def schedule(self) -> None:
        at = self.now + self.dice.choice([timedelta(0), MINUTE])
        rules: list[Rule] = [duly.At.instant(at), Every(5 * MINUTE, anchor=at)]
        duly.schedule_event(
            "reminder",
            self.dice.choice(rules),
            key=self.dice.choice(["a", "b", None]),
            overlap=self.dice.choice(["allow_all", "skip", "buffer_one", "terminate_other"]),
            catch_up=self.dice.choice(["latest", "all", "none"]),
        )

    def claim(self) -> None:
        self.claims += builders.claim(
            self.store, self.now, limit=3, advance=partial(advance, now=self.now)
        )

    def claim_again(self) -> None:
        self.claims += builders.claim_again(self.store, self.now)

    def start(self) -> None:
        some, self.claims = self.claims[:2], self.claims[2:]
        began = builders.start(self.store, some, self.now)
        # As the dispatcher does, which holds one claim of an occurrence at a time.
        newest = {claim.id: claim for claim in some if claim.id in began}
        self.running += [(claim, claim.attempt + 1) for claim in newest.values()]

    def finish(self) -> None:
        outcomes: list[Outcome] = [
            Succeeded(),
            Failed("no"),
            Failed("no", is_final=True),
            Snoozed("", MINUTE, None),
        ]
        some, self.running = self.running[:2], self.running[2:]
        results = [
            Result(
                claim.id,
                claim.event_id,
                claim.due_at,
                attempt,
                decide(
                    self.dice.choice(outcomes),
                    attempt - claim.forgiven,
                    RETRY,
                    self.now,
                    self.dice.random,
                ),
                exclusive=True,
            )
            for claim, attempt in some
        ]
        self.store.finish(results, now=self.now)

    def rescue(self) -> None:
        self.store.rescue_expired(
            now=self.now,
            limit=5,
            decide=lambda lost: decide(
                LeaseLost(), lost.attempt - lost.forgiven, RETRY, self.now, self.dice.random
            ),
        )

    def give_back(self) -> None:
        some, self.claims = self.claims[:1], self.claims[1:]
        ways: list[Callable[[], object]] = [
            lambda: self.store.release(some, now=self.now, holder=HOLDER),
            lambda: self.store.park(
                some, now=self.now, wake_at=self.now + MINUTE, reason="no handler"
            ),
            lambda: self.store.unpark({"reminder"}, now=self.now),
            lambda: self.store.skip(some, now=self.now, reason="expired"),
        ]
        self.dice.choice(ways)()

    def operate(self) -> None:
        events = list(ScheduledEvent.objects.using(self.using).order_by("?")[:1])
        if not events:
            return
        id_ = events[0].id
        later = duly.At.instant(self.now + MINUTE)
        changes: list[Callable[[], object]] = [
            lambda: duly.cancel_event(id_),
            lambda: duly.pause_event(id_),
            lambda: duly.resume_event(id_),
            lambda: duly.reschedule_event(id_, later),
            lambda: duly.trigger_event(id_),
            lambda: duly.replay_dead(limit=2),
        ]
        with suppress(EventConflict):
            self.dice.choice(changes)()


@pytest.mark.parametrize("chunk", range(4))
def test_after_any_history_the_ledger_folds_to_the_tables(using: str, chunk: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    history = History(using, seed)
    steps = 0
    # Dice may schedule next to nothing for long.
    while (steps := steps + 1) <= 120 or LedgerEntry.objects.using(using).count() <= 20:
        history.step()

    assert disagreements(using) == []


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        pytest.param(
            lambda using: Occurrence.objects.using(using).update(
                status="succeeded", wake_at=None, finished_at=NOW
            ),
            "is succeeded, attempt 1, the ledger says running",
            id="edited-status",
        ),
        pytest.param(
            lambda using: Occurrence.objects.using(using).update(attempt=2),
            "is running, attempt 2, the ledger says running, attempt 1",
            id="edited-attempt",
        ),
        pytest.param(
            lambda using: Occurrence.objects.using(using).all().delete(),
            "is gone, the ledger says that it was there",
            id="deleted-row",
        ),
        pytest.param(
            lambda using: LedgerEntry.objects.using(using).filter(fact="started").delete(),
            "the ledger says waiting, attempt 0",
            id="deleted-fact",
        ),
        pytest.param(
            lambda using: ScheduledEvent.objects.using(using).update(next_at=NOW + MINUTE * 9),
            "next_at is 2026-06-01T12:09:00+00:00, the ledger says 2026-06-01T12:05:00+00:00",
            id="edited-event",
        ),
    ],
)
def test_what_was_tampered_with_is_found(using: str, tamper: Any, told: str) -> None:
    store = open_store(using)
    history = History(using, 1)
    history.now = NOW
    duly.schedule_event("reminder", Every(5 * MINUTE, anchor=NOW - 5 * MINUTE, start=NOW))
    ScheduledEvent.objects.using(using).update(next_at=NOW, next_wall_time=NOW.replace(tzinfo=None))
    history.claim()
    builders.start(store, history.claims, NOW)
    assert disagreements(using) == []

    tamper(using)

    (found,) = disagreements(using)
    assert told in found
