"""Who is under way and who waits, as the tables of the gates say it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from duly.models import Gate, GateEntry, Occurrence
from duly.policy.breaker import Breaker
from duly.policy.gates import PASSES, Terms, Verdict
from duly.policy.limits import Limits
from duly.store import gate_rows, gates
from duly.store.backends import open_store
from duly.store.contract import Store
from duly.store.rows import Claim
from tests import builders
from tests.builders import NOW

SECOND = timedelta(seconds=1)
CRM = "service:crm"
Given = dict[str, Terms]


@pytest.fixture
def store(database: str) -> Store:
    return open_store(database)


def claims(store: Store, count: int) -> list[Claim]:
    """Claim as many as are due, one second after the other."""
    for n in range(count):
        builders.stored_event(store.using, NOW - (count - n) * SECOND)
    return builders.claim(store)


def admit(store: Store, asked: Sequence[Claim], terms: Given, now: datetime) -> list[Verdict]:
    requests = [gates.Request(claim, terms, "here") for claim in asked]
    return gates.admit(store.using, requests, {"here": 100}, now, lambda: 0.5)


def let_in(store: Store, one: Claim, terms: Given, now: datetime) -> None:
    assert admit(store, [one], terms, now) == [PASSES]
    builders.start(store, [one], now)


def end(store: Store, one: Claim, terms: Given, now: datetime) -> None:
    store.finish([builders.succeeded(one)], now=now)
    gates.settle(store.using, [gates.Passed(one.id, 1, terms, True)], now)


def wake_at(store: Store, one: Claim) -> datetime | None:
    return Occurrence.objects.using(store.using).get(id=one.id).wake_at


def test_a_token_is_kept_while_its_owner_waits_for_room_at_the_same_gate(store: Store) -> None:
    terms = {CRM: Terms(Limits(in_flight=1, rate="1/m"))}
    first, second, third = claims(store, 3)
    let_in(store, first, terms, NOW)
    end(store, first, terms, NOW)
    waits = [admit(store, [one], terms, NOW)[0].until for one in (second, third)]
    assert waits == [NOW + 60 * SECOND, NOW + 120 * SECOND]
    (second,) = builders.claim_again(store, NOW + 60 * SECOND)
    let_in(store, second, terms, NOW + 60 * SECOND)
    (third,) = builders.claim_again(store, NOW + 120 * SECOND)
    assert admit(store, [third], terms, NOW + 120 * SECOND)[0].reason == "1 under way"

    now = NOW + 130 * SECOND
    end(store, second, terms, now)

    (third,) = builders.claim_again(store, now)
    assert admit(store, [third], terms, now) == [PASSES]


def test_the_turn_of_those_that_were_cancelled_is_the_next_ones(store: Store) -> None:
    terms = {CRM: Terms(Limits(in_flight=1))}
    first, *others = claims(store, 5)
    let_in(store, first, terms, NOW)
    admit(store, others, terms, NOW)
    cancelled = Occurrence.objects.using(store.using).filter(id__in=[o.id for o in others[:2]])
    cancelled.update(status="cancelled", wake_at=None, finished_at=NOW)

    end(store, first, terms, NOW + SECOND)

    assert wake_at(store, others[2]) == NOW + SECOND
    assert (wake_at(store, others[3]) or NOW) > NOW + SECOND


def test_what_another_engine_runs_is_counted_though_one_that_lost_it_asks_for_it(
    store: Store,
) -> None:
    terms = {CRM: Terms(Limits(in_flight=1))}
    running, other = claims(store, 2)
    let_in(store, running, terms, NOW)

    verdicts = admit(store, [other, running], terms, NOW)

    assert verdicts[0].reason == "1 under way"
    under_way = GateEntry.objects.using(store.using).filter(state=GateEntry.UNDER_WAY)
    assert [entry.occurrence_id for entry in under_way] == [running.id]


def test_what_is_kept_out_waits_for_the_breaker_and_is_woken_when_it_closes(store: Store) -> None:
    terms = {CRM: Terms(breaker=Breaker())}
    first, second = claims(store, 2)
    gates.steer(store.using, CRM, opens=True, now=NOW, actor="ops")
    (refused,) = admit(store, [first], terms, NOW)

    waits = gates.keep_out(store.using, [(second, refused)], NOW)

    assert waits == {second.id}
    assert refused.until == wake_at(store, second)
    gates.steer(store.using, CRM, opens=False, now=NOW + SECOND, actor="ops")
    assert wake_at(store, first) == wake_at(store, second) == NOW + SECOND


def test_nobody_is_kept_out_by_a_breaker_that_was_closed_meanwhile(store: Store) -> None:
    terms = {CRM: Terms(breaker=Breaker())}
    first, second = claims(store, 2)
    gates.steer(store.using, CRM, opens=True, now=NOW, actor="ops")
    (refused,) = admit(store, [first], terms, NOW)
    gates.steer(store.using, CRM, opens=False, now=NOW, actor="ops")

    assert gates.keep_out(store.using, [(second, refused)], NOW) == set()
    assert admit(store, [second], terms, NOW) == [PASSES]


def test_what_somebody_else_runs_by_now_is_not_kept_out(store: Store) -> None:
    terms = {CRM: Terms(breaker=Breaker())}
    first, second = claims(store, 2)
    let_in(store, second, terms, NOW)
    gates.steer(store.using, CRM, opens=True, now=NOW, actor="ops")
    (refused,) = admit(store, [first], terms, NOW)

    assert gates.keep_out(store.using, [(second, refused)], NOW) == set()
    assert Occurrence.objects.using(store.using).get(id=second.id).status == "running"


def test_what_ended_without_passing_its_gates_is_swept(store: Store) -> None:
    terms = {"key:call:patient:7": Terms(Limits(in_flight=1))}
    running, waiting, cancelled = claims(store, 3)
    let_in(store, running, terms, NOW)
    admit(store, [waiting, cancelled], terms, NOW)
    Occurrence.objects.using(store.using).filter(id=cancelled.id).update(
        status="cancelled", wake_at=None, finished_at=NOW
    )

    assert gate_rows.sweep(store.using, NOW) == 1

    left = GateEntry.objects.using(store.using).values_list("occurrence_id", flat=True)
    assert set(left) == {running.id, waiting.id}


def test_the_gate_of_an_entity_goes_once_nobody_has_been_there_for_an_hour(store: Store) -> None:
    (one,) = claims(store, 1)
    let_in(store, one, {"key:call:patient:7": Terms(Limits(in_flight=1)), CRM: Terms()}, NOW)
    Occurrence.objects.using(store.using).filter(id=one.id).update(
        status="succeeded", wake_at=None, finished_at=NOW, holder=None
    )

    gate_rows.sweep(store.using, NOW + timedelta(minutes=59))
    assert Gate.objects.using(store.using).count() == 2
    gate_rows.sweep(store.using, NOW + timedelta(minutes=61))
    assert [gate.name for gate in Gate.objects.using(store.using)] == [CRM]
