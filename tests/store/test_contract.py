"""What every store promises; the same tests run on each database."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError, transaction

from duly.civil.instants import Instant
from duly.engine.plan import advance
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.policy.outcome import Decision
from duly.policy.states import OccurrenceStatus
from duly.store.backends import open_store
from duly.store.contract import Store
from duly.store.rows import PassedOver
from tests import builders
from tests.builders import HOLDER, LEASE, NOW, OTHER_HOLDER

pytestmark = pytest.mark.also_partitioned
SECOND = timedelta(seconds=1)


@pytest.fixture
def store(database: str) -> Store:
    return open_store(database)


def test_a_due_event_gets_one_occurrence_and_is_finished(store: Store) -> None:
    event = builders.stored_event(
        store.using, payload={"channel": "sms"}, key="k", user_timezone="Asia/Tokyo"
    )

    (claim,) = builders.claim(store)

    occurrence = builders.only_occurrence(store.using)
    assert (occurrence.id, occurrence.event_id, occurrence.due_at) == (claim.id, event.id, NOW)
    assert (occurrence.status, occurrence.attempt, occurrence.holder) == ("queued", 0, HOLDER)
    assert occurrence.wake_at == NOW + LEASE
    assert (claim.payload, claim.key, claim.user_timezone) == (
        '{"channel":"sms"}',
        "k",
        "Asia/Tokyo",
    )
    event.refresh_from_db()
    assert (event.status, event.next_at, event.next_wall_time) == ("finished", None, None)
    assert builders.ledger_facts(store.using) == ["due"]


@pytest.mark.parametrize(
    ("without", "claimed"),
    [
        pytest.param(PassedOver(), {"a1", "b1", "a2", "b2"}, id="nobody"),
        pytest.param(PassedOver(types=frozenset("a")), {"b1", "b2"}, id="a-type"),
        pytest.param(PassedOver(services=frozenset("1")), {"a2", "b2"}, id="a-service"),
        pytest.param(
            PassedOver(types=frozenset("a"), elsewhere=frozenset("2")),
            {"b1", "a2", "b2"},
            id="a-type-but-not-where-its-service-delivers-elsewhere",
        ),
    ],
)
def test_what_is_passed_over_is_left_as_it_is(
    store: Store, without: PassedOver, claimed: set[str]
) -> None:
    for event_type in "ab":
        for service in "12":
            builders.stored_event(store.using, event_type=event_type, service=service)

    claims = builders.claim(store, without=without)

    assert {claim.event_type + claim.service for claim in claims} == claimed
    assert ScheduledEvent.objects.using(store.using).filter(status="scheduled").count() == (
        4 - len(claimed)
    )


def test_what_is_urgent_is_claimed_alone_where_that_is_asked_for(store: Store) -> None:
    builders.stored_event(store.using)
    urgent = builders.stored_event(store.using, handling={"priority": 5})

    claims = builders.claim(store, urgent=True)

    assert [claim.event_id for claim in claims] == [urgent.id]


def test_a_recurring_event_moves_on_to_its_next_instant(store: Store) -> None:
    event = builders.stored_event(store.using, rule=builders.every_minute())

    builders.claim(store, advance=partial(advance, now=NOW))

    event.refresh_from_db()
    assert (event.status, event.next_at) == ("scheduled", NOW + timedelta(minutes=1))
    assert len(event.tzdata_fingerprint) == 64


def test_what_is_not_due_is_left_alone(store: Store) -> None:
    builders.stored_event(store.using, NOW + SECOND)

    assert builders.claim(store, until=NOW + SECOND / 2) == []
    assert [c.due_at for c in builders.claim(store, until=NOW + SECOND)] == [NOW + SECOND]


def test_the_earliest_are_claimed_first_and_no_more_than_asked_for(store: Store) -> None:
    for seconds in (3, 1, 2):
        builders.stored_event(store.using, NOW + seconds * SECOND)

    claims = builders.claim(store, NOW + 5 * SECOND, limit=2)

    assert [c.due_at for c in claims] == [NOW + SECOND, NOW + 2 * SECOND]


def test_an_instant_that_has_fired_is_skipped_with_its_reason(store: Store) -> None:
    event = builders.stored_event(store.using)
    (claim,) = builders.claim(store)
    builders.start(store, [claim])
    store.finish([builders.succeeded(claim)], now=NOW)
    ScheduledEvent.objects.using(store.using).filter(id=event.id).update(
        status="scheduled", next_at=NOW, next_wall_time=event.next_wall_time
    )

    assert builders.claim(store) == []

    assert Occurrence.objects.using(store.using).count() == 1
    entry = LedgerEntry.objects.using(store.using).get(fact="skipped")
    assert entry.data is not None
    assert entry.data["reason"] == "this instant has fired"


def test_an_instant_cancelled_before_it_began_can_come_due_again(store: Store) -> None:
    event = builders.stored_event(store.using)
    builders.claim(store)
    Occurrence.objects.using(store.using).update(
        status="cancelled", wake_at=None, holder=None, finished_at=NOW
    )
    ScheduledEvent.objects.using(store.using).filter(id=event.id).update(
        status="scheduled", next_at=NOW, next_wall_time=event.next_wall_time
    )

    (claim,) = builders.claim(store)

    occurrence = builders.only_occurrence(store.using)
    assert (occurrence.id, occurrence.status, occurrence.finished_at) == (claim.id, "queued", None)


def test_a_rule_that_cannot_be_evaluated_pauses_its_event_and_still_fires_what_is_due(
    store: Store,
) -> None:
    event = builders.stored_event(store.using, rule=builders.every_minute())
    ScheduledEvent.objects.using(store.using).filter(id=event.id).update(
        rule=event.rule | {"interval": "often"}
    )

    assert len(builders.claim(store, advance=partial(advance, now=NOW))) == 1

    event.refresh_from_db()
    assert event.status == "paused"
    assert "cannot be evaluated" in event.reason
    assert builders.ledger_facts(store.using) == ["due", "paused"]


def test_a_payload_that_is_not_json_does_not_stop_the_batch(store: Store) -> None:
    broken = builders.stored_event(store.using)
    builders.stored_event(store.using)
    with transaction.atomic(store.using):
        from django.db import connections

        with connections[store.using].cursor() as cursor:
            quoted = str(broken.id) if store.using == "postgres" else broken.id.hex
            cursor.execute("UPDATE duly_scheduledevent SET payload = '{' WHERE id = %s", [quoted])

    assert len(builders.claim(store)) == 2


def test_starting_counts_the_attempt_and_takes_a_lease(store: Store) -> None:
    builders.stored_event(store.using)
    (claim,) = builders.claim(store)

    began = builders.start(store, [claim], NOW + SECOND)

    occurrence = builders.only_occurrence(store.using)
    assert began == {claim.id}
    assert (occurrence.status, occurrence.attempt) == ("running", 1)
    assert occurrence.wake_at == NOW + SECOND + LEASE
    assert occurrence.started_at == NOW + SECOND
    assert builders.ledger_facts(store.using, claim.id) == ["due", "started"]


def test_a_second_delivery_of_the_same_claim_does_not_start(store: Store) -> None:
    builders.stored_event(store.using)
    claims = builders.claim(store)

    assert builders.start(store, claims) == {claims[0].id}
    assert builders.start(store, claims) == set()

    assert builders.only_occurrence(store.using).attempt == 1


def test_success_ends_the_occurrence(store: Store) -> None:
    claim = builders.running(store)

    assert store.finish([builders.succeeded(claim)], now=NOW + SECOND) == {claim.id}

    occurrence = builders.only_occurrence(store.using)
    assert (occurrence.status, occurrence.wake_at, occurrence.holder) == ("succeeded", None, None)
    assert occurrence.finished_at == NOW + SECOND
    assert builders.ledger_facts(store.using, claim.id) == ["due", "started", "succeeded"]


def test_a_zombies_late_result_changes_nothing_and_is_recorded(store: Store) -> None:
    claim = builders.running(store)
    store.finish([builders.retried(claim, NOW)], now=NOW)
    (again,) = builders.claim_again(store, NOW)
    builders.start(store, [again])

    assert store.finish([builders.succeeded(claim, attempt=1)], now=NOW) == set()

    occurrence = builders.only_occurrence(store.using)
    assert (occurrence.status, occurrence.attempt) == ("running", 2)
    entry = LedgerEntry.objects.using(store.using).get(fact="fenced")
    assert (entry.attempt, entry.data) == (1, {"outcome": "succeeded"})


def test_a_batch_of_results_is_written_one_by_one_fenced_or_not(store: Store) -> None:
    good, gone = builders.running(store), builders.running(store)
    store.finish([builders.succeeded(gone)], now=NOW)

    written = store.finish([builders.succeeded(good), builders.succeeded(gone)], now=NOW)

    assert written == {good.id}


def test_of_two_results_of_one_occurrence_in_a_batch_only_the_one_that_holds_is_written(
    store: Store,
) -> None:
    claim = builders.running(store)
    store.finish([builders.retried(claim, NOW)], now=NOW)
    (again,) = builders.claim_again(store, NOW)
    builders.start(store, [again])

    store.finish([builders.retried(claim, NOW), builders.succeeded(again, attempt=2)], now=NOW)

    assert builders.only_occurrence(store.using).status == "succeeded"
    assert builders.ledger_facts(store.using, claim.id)[-2:] == ["fenced", "succeeded"]


def test_a_retry_is_handed_out_at_its_time_and_not_before(store: Store) -> None:
    claim = builders.running(store)
    store.finish([builders.retried(claim, NOW + SECOND)], now=NOW)

    assert builders.claim_again(store, NOW + SECOND / 2) == []
    (again,) = builders.claim_again(store, NOW + SECOND)

    assert (again.id, again.attempt, again.ready_at) == (claim.id, 1, NOW + SECOND)
    assert (again.due_at, again.payload) == (claim.due_at, claim.payload)
    facts = builders.ledger_facts(store.using, claim.id)
    assert facts == ["due", "started", "retried", "claimed"]


def test_a_hand_out_that_lapsed_is_handed_out_again_and_spends_no_attempt(store: Store) -> None:
    builders.stored_event(store.using)
    (claim,) = builders.claim(store)

    assert builders.claim_again(store, NOW + LEASE - SECOND, holder=OTHER_HOLDER) == []
    (again,) = builders.claim_again(store, NOW + LEASE, holder=OTHER_HOLDER)

    assert (again.id, again.attempt) == (claim.id, 0)
    assert builders.only_occurrence(store.using).holder == OTHER_HOLDER


def test_an_attempt_whose_lease_ran_out_is_rescued(store: Store) -> None:
    claim = builders.running(store)
    lost = Decision(OccurrenceStatus.PENDING, "retried", NOW + LEASE, "LeaseLost")
    asked = []

    def decide(expired: object) -> Decision:
        asked.append(expired)
        return lost

    assert store.rescue_expired(now=NOW + LEASE - SECOND, limit=10, decide=decide) == 0
    assert store.rescue_expired(now=NOW + LEASE, limit=10, decide=decide) == 1

    occurrence = builders.only_occurrence(store.using)
    assert (occurrence.status, occurrence.error) == ("pending", "LeaseLost")
    assert len(asked) == 1
    assert store.finish([builders.succeeded(claim)], now=NOW + LEASE) == set()


def test_a_heartbeat_extends_only_what_its_holder_still_has(store: Store) -> None:
    mine, ended = builders.running(store), builders.running(store)
    store.finish([builders.succeeded(ended)], now=NOW)
    until = NOW + 2 * LEASE

    kept = store.extend([(mine.id, 1), (ended.id, 1)], lease_until=until, holder=HOLDER)
    stolen = store.extend([(mine.id, 1)], lease_until=until + LEASE, holder=OTHER_HOLDER)

    assert (kept, stolen) == ({mine.id}, set())
    assert Occurrence.objects.using(store.using).get(id=mine.id).wake_at == until


def test_what_is_released_can_be_claimed_at_once_by_another(store: Store) -> None:
    builders.stored_event(store.using)
    claims = builders.claim(store)

    assert store.release(claims, now=NOW, holder=HOLDER) == 1
    (again,) = builders.claim_again(store, NOW, holder=OTHER_HOLDER)

    assert again.id == claims[0].id
    assert "released" in builders.ledger_facts(store.using, again.id)


def test_what_is_parked_waits_and_is_woken_by_its_type(store: Store) -> None:
    builders.stored_event(store.using, event_type="stranger")
    claims = builders.claim(store)
    hour = timedelta(hours=1)

    store.park(claims, now=NOW, wake_at=NOW + hour, reason="no handler for 'stranger'")
    assert builders.claim_again(store, NOW + SECOND) == []
    assert store.unpark(["somebody"], now=NOW + SECOND) == 0
    assert store.unpark(["stranger"], now=NOW + SECOND) == 1
    (again,) = builders.claim_again(store, NOW + SECOND)

    assert again.attempt == 0
    facts = builders.ledger_facts(store.using, again.id)
    assert facts == ["due", "parked", "unparked", "claimed"]


def test_parking_again_for_the_same_reason_is_one_fact(store: Store) -> None:
    builders.stored_event(store.using, event_type="stranger")
    claims = builders.claim(store)
    for minute in range(3):
        now = NOW + timedelta(minutes=minute)
        store.park(claims, now=now, wake_at=now, reason="no handler for 'stranger'")
        claims = builders.claim_again(store, now)

    assert builders.ledger_facts(store.using).count("parked") == 1


def test_the_horizon_names_the_next_of_each(store: Store) -> None:
    assert (store.horizon().event_at, store.horizon().occurrence_at) == (None, None)
    builders.stored_event(store.using)
    builders.stored_event(store.using, NOW + SECOND)
    builders.claim(store)

    ahead = store.horizon()

    assert (ahead.event_at, ahead.occurrence_at) == (NOW + SECOND, NOW + LEASE)


def test_what_fails_in_the_middle_leaves_nothing(store: Store) -> None:
    event = builders.stored_event(store.using)

    def explode(due: object) -> object:
        raise RuntimeError("the process dies here")

    with pytest.raises(RuntimeError):
        builders.claim(store, advance=explode)

    event.refresh_from_db()
    assert event.next_at == NOW
    assert not Occurrence.objects.using(store.using).exists()
    assert builders.ledger_facts(store.using) == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"status": "asleep"}, id="unknown-status"),
        pytest.param({"attempt": -1}, id="negative-attempt"),
        pytest.param({"wake_at": None}, id="alive-without-wake_at"),
        pytest.param({"status": "succeeded"}, id="ended-with-wake_at"),
        pytest.param({"status": "running", "attempt": 0}, id="running-without-attempt"),
        pytest.param({"finished_at": NOW}, id="alive-with-finished_at"),
    ],
)
def test_the_database_refuses_an_impossible_occurrence(
    store: Store, change: dict[str, object]
) -> None:
    builders.stored_event(store.using)
    builders.claim(store)

    with pytest.raises(IntegrityError):
        Occurrence.objects.using(store.using).update(**change)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"status": "asleep"}, id="unknown-status"),
        pytest.param({"next_at": None}, id="scheduled-never-due"),
        pytest.param({"status": "paused"}, id="paused-but-due"),
        pytest.param({"event_type": ""}, id="no-type"),
        pytest.param({"entity_id": "42"}, id="half-an-entity"),
    ],
)
def test_the_database_refuses_an_impossible_event(store: Store, change: dict[str, object]) -> None:
    builders.stored_event(store.using)

    with pytest.raises(IntegrityError):
        ScheduledEvent.objects.using(store.using).update(**change)


def test_the_database_refuses_a_second_occurrence_of_one_instant(store: Store) -> None:
    builders.stored_event(store.using)
    builders.claim(store)
    twin = builders.only_occurrence(store.using)
    twin.id = builders.fresh_holder()

    with pytest.raises(IntegrityError):
        twin.save(using=store.using, force_insert=True)


def test_the_database_refuses_a_second_event_with_the_same_key(store: Store) -> None:
    builders.stored_event(store.using, key="k")

    with pytest.raises(IntegrityError):
        builders.stored_event(store.using, key="k")
    builders.stored_event(store.using, key="k", service="other")


def test_instants_are_stored_to_the_microsecond(store: Store) -> None:
    at = NOW + timedelta(microseconds=123_457)
    builders.stored_event(store.using, at)

    (claim,) = builders.claim(store, at)

    assert Instant(claim.due_at) == at
