"""Partitions: made of the tables as they are, ahead of time, and dropped when they are old."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, transaction

import duly
from duly import clock
from duly.engine.plan import advance
from duly.errors import ConfigurationError
from duly.models import LedgerEntry, LedgerSeal, Occurrence, ScheduledEvent
from duly.store import drop_entries, drop_occurrences, partitioning, partitions, retention, seals
from duly.store.backends import open_store
from duly.store.contract import Store
from duly.store.partitions import LEDGER, OCCURRENCES, parts, sql
from duly.store.prune import Pruned, Terms, total
from duly.testing.manual_clock import ManualClock
from tests import builders, partitioned
from tests.builders import NOW
from tests.store.test_prune import another_connection, ended, sealed
from tests.store.test_verify import disagreements

pytestmark = [pytest.mark.postgres]
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
USING = partitioned.ALIAS


@pytest.fixture
def using(flat_copy: str, settings: Any) -> Iterator[str]:
    """A PostgreSQL database of this test's own, not partitioned yet."""
    settings.DULY = {"DATABASE": USING, "STRICT": False}
    previous = clock.use(ManualClock(NOW))
    yield USING
    clock.use(previous)


@pytest.fixture
def store(using: str) -> Store:
    return open_store(using)


def names(divided: partitions.Divided) -> list[str]:
    return [part.name.removeprefix(f"{divided.table}_") for part in parts(USING, divided)]


def count(table: str) -> int:
    return int(sql(USING, f"SELECT count(*) FROM {table}")[0][0])


def healthy(using: str) -> bool:
    return disagreements(using) == [] and list(seals.verify_seals(using)) == []


def pruned(using: str, before: datetime) -> Pruned:
    return total(retention.prune(using, Terms(before), before, actor="test"))


def test_the_tables_as_they_are_become_the_past_and_nothing_is_copied(store: Store) -> None:
    ended(store)
    files = sql(USING, "SELECT pg_relation_filenode('duly_occurrence')")

    partitioning.divide(USING, NOW)

    assert names(OCCURRENCES) == ["past", "2026_07", "2026_08", "2026_09", "2026_10", "default"]
    assert names(LEDGER) == names(OCCURRENCES)
    assert sql(USING, "SELECT pg_relation_filenode('duly_occurrence_past')") == files
    assert (count("duly_occurrence_past"), count("duly_ledgerentry_past")) == (1, 2 + 1)


def test_the_past_is_told_from_what_is_moved_to_its_own_month(store: Store) -> None:
    ended(store)
    later = ended(store)
    Occurrence.objects.using(USING).filter(id=later.id).update(due_at=NOW + 40 * DAY)

    (occurrences, _) = partitioning.plan(USING, NOW)
    partitioning.divide(USING, NOW)

    assert (occurrences.rows, occurrences.copied) == (2, 1)
    assert (count("duly_occurrence_past"), count("duly_occurrence_2026_07")) == (1, 1)


def test_engines_go_on_as_if_nothing_had_happened(store: Store) -> None:
    before = ended(store)
    partitioning.divide(USING, NOW)
    after = ended(store)

    assert builders.ledger_facts(USING, after.id) == builders.ledger_facts(USING, before.id)
    ids = list(LedgerEntry.objects.using(USING).order_by("id").values_list("id", flat=True))
    assert ids == list(range(ids[0], ids[0] + 6))
    sealed(USING)
    assert healthy(USING)


def test_one_instant_of_an_event_still_has_one_occurrence(store: Store) -> None:
    partitioning.divide(USING, NOW)
    event = builders.stored_event(USING)
    builders.claim(store)
    ScheduledEvent.objects.using(USING).filter(id=event.id).update(
        status="scheduled", next_at=NOW, next_wall_time=NOW.replace(tzinfo=None)
    )

    assert builders.claim(store) == []
    assert builders.ledger_facts(USING) == ["due", "skipped"]


def test_constraints_and_indexes_keep_their_names(using: str) -> None:
    def found() -> set[tuple[Any, ...]]:
        return {
            *sql(
                using,
                "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE conrelid IN"
                " (to_regclass('duly_occurrence'), to_regclass('duly_ledgerentry'))",
            ),
            *sql(
                using,
                "SELECT tablename, indexname FROM pg_indexes"
                " WHERE tablename IN ('duly_occurrence', 'duly_ledgerentry')",
            ),
        }

    before = found()
    partitioning.divide(using, NOW)

    assert found() == before


def test_a_later_migration_finds_nothing_to_do(using: str) -> None:
    partitioning.divide(using, NOW)

    call_command("makemigrations", "duly", check=True, dry_run=True, verbosity=0)
    call_command("migrate", database=using, verbosity=0)


def test_partitioning_again_changes_nothing(using: str) -> None:
    partitioning.divide(using, NOW)

    assert partitioning.divide(using, NOW) == []


def test_what_depends_on_a_table_is_named(using: str) -> None:
    sql(using, "CREATE VIEW report AS SELECT due_at FROM duly_occurrence")

    with pytest.raises(ConfigurationError, match="the view report depends on it"):
        partitioning.divide(using, NOW)


def test_grants_and_the_owner_go_along(using: str) -> None:
    sql(using, "CREATE ROLE reader")
    try:
        sql(using, "GRANT SELECT ON duly_occurrence TO reader")
        partitioning.divide(using, NOW)
        assert sql(using, "SELECT has_table_privilege('reader', 'duly_occurrence', 'SELECT')") == [
            (True,)
        ]
    finally:
        sql(using, "DROP OWNED BY reader")
        sql(using, "DROP ROLE reader")


def test_it_gives_up_and_leaves_all_as_it_was_where_somebody_holds_the_table(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "TRIES", 2)
    monkeypatch.setattr(partitions, "PAUSE_SECONDS", 0.01)
    # The index of the new key waits for no reader; the swap does.
    monkeypatch.setattr(partitioning, "_index_beforehand", lambda *_: None)
    ended(store)
    with transaction.atomic(USING):
        list(Occurrence.objects.using(USING).all())
        with another_connection(USING), pytest.raises(partitions.InUse, match="nothing was"):
            partitioning.divide(USING, NOW)

    assert parts(USING, OCCURRENCES) == []


def test_months_to_come_are_made_once(using: str) -> None:
    assert partitions.make_ahead(using, NOW) == []  # Not partitioned.
    partitioning.divide(using, NOW)

    assert partitions.make_ahead(using, NOW) == []
    assert partitions.make_ahead(using, NOW + 30 * DAY) == [
        "duly_occurrence_2026_10",
        "duly_ledgerentry_2026_10",
    ]


def test_of_two_engines_that_make_the_same_month_one_does(using: str) -> None:
    partitioning.divide(using, NOW)
    made: list[list[str]] = []

    def make() -> None:
        made.append(partitions.make_ahead(using, NOW + 61 * DAY))
        connections.close_all()

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(name for one in made for name in one) == [
        "duly_ledgerentry_2026_10",
        "duly_ledgerentry_2026_11",
        "duly_occurrence_2026_10",
        "duly_occurrence_2026_11",
    ]


def test_where_no_month_was_made_rows_go_to_default_until_it_is(store: Store) -> None:
    partitioning.divide(USING, NOW)
    late = NOW + 200 * DAY
    builders.stored_event(USING, late)
    (claim,) = builders.claim(store, late)
    builders.start(store, [claim], late)
    assert (count("duly_occurrence_default"), count("duly_ledgerentry_default")) == (1, 2)

    partitions.make_ahead(USING, late)

    assert (count("duly_occurrence_default"), count("duly_ledgerentry_default")) == (0, 0)
    assert (count("duly_occurrence_2026_12"), count("duly_ledgerentry_2026_12")) == (1, 2)
    assert store.finish([builders.succeeded(claim)], now=late) == {claim.id}


def test_new_months_are_stored_as_the_others_are(using: str) -> None:
    partitioning.divide(using, NOW)

    options = {partitions.options_of(using, part.name) for part in parts(using, OCCURRENCES)}

    assert len(options) == 1
    assert "fillfactor" in options.pop()


def test_a_month_that_is_old_is_dropped_and_a_younger_one_is_not(store: Store) -> None:
    partitioning.divide(USING, NOW)
    for _ in range(3):
        ended(store)
    sealed(USING)

    assert pruned(USING, NOW + 29 * DAY) == Pruned()
    assert pruned(USING, NOW + 31 * DAY) == Pruned(occurrences=3, events=3, entries=9)

    assert names(OCCURRENCES) == names(LEDGER) == ["2026_07", "2026_08", "2026_09", "default"]
    assert healthy(USING)


def test_what_must_stay_of_a_month_is_in_default_and_still_works(store: Store) -> None:
    partitioning.divide(USING, NOW)
    ended(store)
    dead, waiting = ended(store, "dead"), ended(store, "pending")
    sealed(USING)

    assert pruned(USING, NOW + 31 * DAY).occurrences == 1

    assert "2026_06" not in names(OCCURRENCES)
    stayed = sql(USING, "SELECT id FROM duly_occurrence_default")
    assert {dead.id, waiting.id} <= {id_ for (id_,) in stayed}
    assert healthy(USING)
    duly.replay(str(dead.id))
    claimed = {one.id for one in builders.claim_again(store, NOW + 91 * DAY)}
    assert {dead.id, waiting.id} <= claimed


def test_a_recurring_event_keeps_the_occurrence_that_its_state_comes_from(store: Store) -> None:
    partitioning.divide(USING, NOW)
    event = duly.schedule_event("remind", duly.Every(HOUR, anchor=NOW))
    for number in range(1, 4):
        now = NOW + number * HOUR
        (claim,) = builders.claim(store, now, advance=partial(advance, now=now))
        builders.start(store, [claim], now)
        store.finish([builders.succeeded(claim)], now=now)
    sealed(USING, NOW + 5 * HOUR)

    assert pruned(USING, NOW + 31 * DAY).occurrences == 2

    (kept,) = Occurrence.objects.using(USING).filter(event_id=event.id)
    assert kept.due_at == NOW + 3 * HOUR
    assert healthy(USING)


def test_a_seal_whose_rows_all_go_is_told_its_own_total_and_no_row_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitioning.divide(USING, NOW)
    monkeypatch.setattr(seals, "LARGEST_RANGE", 3)
    for status in ("succeeded", "succeeded", "succeeded", "dead"):
        ended(store, status)
    sealed(USING)
    read: list[int] = []
    original = seals.digests

    def counted(rows: Any) -> int:
        found = list(rows)
        read.append(len(found))
        return original(found)

    monkeypatch.setattr(seals, "digests", counted)
    assert pruned(USING, NOW + 31 * DAY).entries == 9

    # Seals of three rows: the last ones hold what is dead, and keep it.
    assert sum(read) == 0
    assert LedgerSeal.objects.using(USING).filter(pruned=3).count() == 3
    monkeypatch.undo()
    assert healthy(USING)


def test_what_is_done_to_rows_that_stayed_is_found_after_the_drop(store: Store) -> None:
    partitioning.divide(USING, NOW)
    ended(store)
    kept = ended(store, "dead")
    sealed(USING)
    pruned(USING, NOW + 31 * DAY)
    assert healthy(USING)

    LedgerEntry.objects.using(USING).filter(occurrence_id=kept.id, fact="died").update(actor="me")

    assert any("not as they were" in one for one in seals.verify_seals(USING))


def test_what_was_done_to_rows_that_stay_is_not_covered_up_by_the_drop(store: Store) -> None:
    partitioning.divide(USING, NOW)
    ended(store)
    kept = ended(store, "dead")
    sealed(USING)
    LedgerEntry.objects.using(USING).filter(occurrence_id=kept.id, fact="died").update(actor="me")

    pruned(USING, NOW + 31 * DAY)

    assert any("not as they were" in one for one in seals.verify_seals(USING))


@pytest.mark.parametrize("step", ["occurrences", "events", "entries"])
def test_the_ledger_verifies_after_each_step_and_the_next_run_goes_on(
    store: Store, step: str
) -> None:
    partitioning.divide(USING, NOW)
    ended(store)
    ended(store, "dead")
    sealed(USING)

    before = NOW + 31 * DAY
    for went in retention.prune(USING, Terms(before), before, actor="test"):
        assert healthy(USING)
        if getattr(went, step):
            break  # The process was killed here.
    pruned(USING, before)

    assert healthy(USING)
    # What is dead, and the event that tells of it, which is to come.
    assert (count("duly_occurrence"), count("duly_scheduledevent")) == (1, 2)
    assert "2026_06" not in names(LEDGER)


def test_what_changes_while_a_month_is_looked_at_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitioning.divide(USING, NOW)
    revived, over = ended(store), ended(store)
    sealed(USING)
    original = drop_occurrences.OccurrenceDropper._staying

    def meanwhile(self: Any, part: Any) -> Any:
        found = original(self, part)
        duly.replay(str(revived.id))
        (claim,) = builders.claim_again(store, NOW + DAY)
        builders.start(store, [claim], NOW + DAY)
        store.finish([builders.succeeded(claim, 2)], now=NOW + DAY)
        return found

    monkeypatch.setattr(drop_occurrences.OccurrenceDropper, "_staying", meanwhile)
    assert pruned(USING, NOW + 31 * DAY).occurrences == 1

    (kept,) = Occurrence.objects.using(USING).all()
    assert kept.id == revived.id != over.id
    sealed(USING, NOW + 32 * DAY)
    assert healthy(USING)


def test_a_month_of_which_much_stays_is_pruned_row_by_row(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drop_occurrences, "LARGEST_MOVE", 1)
    monkeypatch.setattr(drop_entries, "LARGEST_MOVE", 1)
    partitioning.divide(USING, NOW)
    for status in ("succeeded", "succeeded", "dead", "dead"):
        ended(store, status)
    sealed(USING)

    assert pruned(USING, NOW + 31 * DAY) == Pruned(occurrences=2, events=2, entries=6)

    assert "2026_06" in names(OCCURRENCES)
    assert healthy(USING)


def test_only_postgresql_has_partitions(database: str) -> None:
    if connections[database].vendor == "postgresql":
        return
    assert partitions.make_ahead(database, NOW) == []
    with pytest.raises(ConfigurationError, match="only PostgreSQL has partitions"):
        partitioning.divide(database, NOW)


def test_months_are_those_of_utc() -> None:
    at = datetime.fromisoformat("2026-03-01T00:30:00+01:00")

    assert partitions.month_of(at) == datetime(2026, 2, 1, tzinfo=UTC)
    assert partitions.next_month(datetime(2026, 12, 1, tzinfo=UTC)) == datetime(
        2027, 1, 1, tzinfo=UTC
    )


@pytest.mark.parametrize("divided", [False, True], ids=["flat", "partitioned"])
def test_the_care_of_tables_can_be_taken_back_and_given_again(using: str, divided: bool) -> None:
    def state() -> list[tuple[Any, ...]]:
        return sql(
            using,
            "SELECT relname, reloptions::text FROM pg_class WHERE relname LIKE 'duly_%%'"
            " AND relkind IN ('r', 'p', 'i', 'I') ORDER BY relname",
            [],
        )

    if divided:
        partitioning.divide(using, NOW)
    before = state()
    call_command("migrate", "duly", "0006", database=using, verbosity=0)
    reverted = state()
    call_command("migrate", "duly", database=using, verbosity=0)

    after = {(name, frozenset((told or "").strip("{}").split(","))) for name, told in state()}
    assert after == {
        (name, frozenset((told or "").strip("{}").split(","))) for name, told in before
    }
    assert reverted != before
