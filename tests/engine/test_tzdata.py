"""An upgrade of the time zone data under scheduled events, with real releases of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

import duly
from duly import At, Cron, Every, RRule, clock
from duly.civil import zones
from duly.civil.rules import Rule
from duly.civil.tzdata import WHEEL, ZoneDatabase
from duly.clock import now as database_now
from duly.engine import rederive
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.store import ledger, stamps
from duly.store.backends import open_store
from tests import releases
from tests.engine.conftest import Signals

# Laws changed in 2022 to 2025, each with civil times that moved by it and that did not.
# Far ahead, where the last rule of each release holds for ever.
CHANGED = {
    "America/Asuncion": ("2090-06-15T09:00", "2090-12-15T09:00"),
    "Asia/Almaty": ("2090-06-15T09:00", None),
    "Africa/Cairo": ("2090-06-15T09:00", "2090-12-15T09:00"),
    "America/Mexico_City": ("2090-06-15T09:00", "2090-12-15T09:00"),
    "Asia/Amman": ("2090-12-15T09:00", "2090-06-15T09:00"),
    "America/Nuuk": ("2090-12-15T09:00", None),
}
UNCHANGED = ("Europe/Berlin", "Asia/Tokyo", "America/New_York", "UTC")

Start = Callable[..., Any]


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A folder of the old release, in use."""
    folder = tmp_path / "zoneinfo"
    releases.upgrade(folder, releases.zoneinfo(releases.installed(releases.OLD_VERSION)))
    zones.use(str(folder))
    assert zones.current().release == releases.OLD_RELEASE
    yield folder
    zones.use(WHEEL)


@pytest.fixture
def upgrade(data: Path) -> Callable[[], None]:
    """Write the present release over the old one, under the running process."""
    return lambda: releases.upgrade(data, ZoneDatabase(WHEEL).folder)


def noticed() -> bool:
    """Look twice, as one look alone may fall into the middle of an upgrade."""
    return any([zones.refresh(), zones.refresh()])


def apply(using: str) -> list[Any]:
    return list(rederive.rederive_all(open_store(using), database_now(using)))


def schedule(rule: Rule, **options: Any) -> ScheduledEvent:
    return duly.schedule_event("remind", rule, **options)


def reloaded(event: ScheduledEvent) -> ScheduledEvent:
    return ScheduledEvent.objects.using(event._state.db).get(id=event.id)


def by_new_data(local: str, zone: str) -> datetime:
    """What the standard library makes of it, on the package that is installed."""
    ZoneInfo.clear_cache()
    return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def rederived(using: str) -> set[UUID]:
    rows = LedgerEntry.objects.using(using).filter(fact="rederived")
    return set(rows.values_list("event_id", flat=True))


def test_every_event_that_a_new_law_moves_is_moved_and_no_other_is_touched(
    using: str, upgrade: Callable[[], None]
) -> None:
    moving = {
        schedule(At(moved, zone)).id: by_new_data(moved, zone)
        for zone, (moved, _) in CHANGED.items()
    }
    moving |= {
        schedule(RRule("FREQ=WEEKLY", moved, zone)).id: by_new_data(moved, zone)
        for zone, (moved, _) in CHANGED.items()
    }
    staying = [schedule(At(kept, zone)) for zone, (_, kept) in CHANGED.items() if kept]
    staying += [schedule(At("2090-06-15T09:00", zone)) for zone in UNCHANGED]
    staying += [schedule(Cron("0 9 * * *", zone)) for zone in UNCHANGED]
    staying += [schedule(Every(timedelta(days=7), tz="Asia/Tokyo"))]

    upgrade()
    assert noticed()
    apply(using)

    for event_id, at in moving.items():
        event = ScheduledEvent.objects.using(using).get(id=event_id)
        assert event.next_at == at, event.execution_timezone
        assert event.next_wall_time is not None
        assert event.next_wall_time.hour == 9
    for event in staying:
        assert reloaded(event).next_at == event.next_at
    assert rederived(using) == set(moving)
    unchanged = ScheduledEvent.objects.using(using).filter(execution_timezone__in=UNCHANGED)
    assert {event.updated_at for event in unchanged} <= {event.updated_at for event in staying}


def test_the_ledger_tells_where_an_event_was_where_it_went_and_why(
    using: str, upgrade: Callable[[], None]
) -> None:
    apply(using)
    event = schedule(At("2090-06-15T09:00", "America/Mexico_City"))

    upgrade()
    noticed()
    apply(using)

    entry = LedgerEntry.objects.using(using).get(fact="rederived")
    assert entry.event_id == event.id
    assert entry.data == {
        "before": "2090-06-15T14:00:00+00:00",
        "next_at": "2090-06-15T15:00:00+00:00",
        "wall_time": "2090-06-15T09:00:00",
        "zone": "America/Mexico_City",
        "policy": "keep_wall",
        "reason": f"time zone data: tzdata 2022a -> tzdata {zones.current().release}",
    }
    told = ledger.told(using, event.id, 1)[0]
    assert "2090-06-15T14:00" in told
    assert "tzdata 2022a" in told


def test_an_event_may_keep_its_instant_or_be_held_until_a_person_has_looked(
    using: str, upgrade: Callable[[], None]
) -> None:
    rule = At("2090-06-15T09:00", "America/Mexico_City")
    kept = schedule(rule, on_tzdata_change="keep_instant")
    held = schedule(rule, on_tzdata_change="hold")
    unmoved = schedule(At("2090-12-15T09:00", rule.tz), on_tzdata_change="hold")

    upgrade()
    noticed()
    apply(using)

    now_kept = reloaded(kept)
    assert now_kept.next_at == kept.next_at
    assert now_kept.next_wall_time == datetime(2090, 6, 15, 8, 0)
    now_held = reloaded(held)
    assert now_held.status == "paused"
    assert "2090-06-15T15:00:00+00:00, and was 2090-06-15T14:00:00+00:00" in now_held.reason
    assert reloaded(unmoved).status == "scheduled"
    duly.resume_event(held.id)
    assert reloaded(held).next_at == datetime(2090, 6, 15, 15, 0, tzinfo=UTC)


def test_a_rule_of_elapsed_time_goes_on_from_where_it_was(
    using: str, upgrade: Callable[[], None]
) -> None:
    every = schedule(Every(timedelta(hours=30), tz="Asia/Almaty"))
    hourly = schedule(Cron("0 * * * *", "Asia/Almaty"))
    # Three times a day by the clock on the wall, which is another clock now.
    thrice = schedule(Cron("0 */8 * * *", "Asia/Almaty"))

    upgrade()
    noticed()
    apply(using)

    assert reloaded(every).next_at == every.next_at
    assert reloaded(hourly).next_at == hourly.next_at
    at = reloaded(thrice).next_at
    assert at is not None
    assert at.astimezone(ZoneInfo("Asia/Almaty")).hour % 8 == 0
    assert thrice.created_at < at <= thrice.created_at + timedelta(hours=8)


def test_many_events_are_moved_in_batches_that_go_on_where_they_stopped(
    using: str, upgrade: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rederive, "BATCH", 10)
    rule = At("2090-06-15T09:00", "Africa/Cairo")
    duly.schedule_events([duly.NewEvent("remind", rule) for _ in range(35)])

    upgrade()
    noticed()
    some = rederive.rederive_all(open_store(using), database_now(using))
    assert len(list(islice(some, 15))) == 15
    del some

    # Two batches were taken; what they wrote is there, and the rest is as it was.
    assert len(rederived(using)) == 20
    assert stamps.read(using, stamps.TZDATA) is None
    assert len(apply(using)) == 15
    assert len(rederived(using)) == 35
    assert apply(using) == []
    assert stamps.read(using, stamps.TZDATA) == {
        "release": zones.current().release,
        "source": zones.current().source,
    }


def test_a_running_engine_notices_an_upgrade_and_fires_what_has_passed_by_it(
    using: str,
    upgrade: Callable[[], None],
    start_engine: Start,
    handle: Callable[..., None],
    signals: Signals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rederive, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(rederive, "SETTLE_SECONDS", 0.1)
    fired: list[duly.Occurrence] = []
    handle("remind", fired.append)
    # Greenland's clocks were set an hour ahead for good: what was half an hour ahead by the
    # old data is half an hour ago by the new.
    coming = datetime.now(UTC) + timedelta(minutes=30)
    local = zones.get_zone("America/Nuuk").wall_time_at(coming).replace(microsecond=0)
    event = schedule(At(local, "America/Nuuk"))
    start_engine()

    upgrade()
    signals.wait("occurrences.recorded")

    assert [one.event_id for one in fired] == [event.id]
    assert fired[0].wall_time == local
    assert fired[0].due_at == coming.replace(microsecond=0) - timedelta(hours=1)
    assert rederived(using) == {event.id}


def test_a_process_with_older_data_leaves_events_alone(
    using: str, data: Path, signals: Signals
) -> None:
    store = open_store(using)
    with zones.reading(ZoneDatabase(WHEEL)):
        event = schedule(At("2090-06-15T09:00", "Africa/Cairo"))
        apply(using)
    watch = rederive.TzdataWatch(store, clock.current())

    assert not watch.turn(database_now(using), database_now(using))

    assert reloaded(event).next_at == event.next_at
    assert signals.counts["tzdata.outdated"] == 1
    assert signals.fields["tzdata.outdated"]["release"] == releases.OLD_RELEASE


def test_what_a_process_with_older_data_schedules_is_put_right(using: str, data: Path) -> None:
    with zones.reading(ZoneDatabase(WHEEL)):
        apply(using)
    event = schedule(At("2090-06-15T09:00", "Africa/Cairo"))

    with zones.reading(ZoneDatabase(WHEEL)):
        apply(using)

    assert reloaded(event).next_at == by_new_data("2090-06-15T09:00", "Africa/Cairo")


def test_half_an_upgrade_is_not_taken_for_a_whole_one(data: Path) -> None:
    new = ZoneDatabase(WHEEL).folder
    (data / "tzdata.zi").write_bytes((new / "tzdata.zi").read_bytes())
    assert not zones.refresh()
    assert zones.is_changing()
    (data / "Africa" / "Cairo").write_bytes((new / "Africa" / "Cairo").read_bytes())
    assert not zones.refresh()

    assert zones.current().release == releases.OLD_RELEASE
    assert zones.refresh()
    assert not zones.is_changing()
    assert zones.current().release != releases.OLD_RELEASE


def test_a_copy_whose_files_are_written_otherwise_says_the_same(tmp_path: Path) -> None:
    # Debian writes every transition up to 2037 ("fat"), the package only those before a rule.
    wheel = ZoneDatabase(WHEEL)
    folder = tmp_path / "zoneinfo"
    releases.upgrade(folder, wheel.folder)
    path = folder / "Europe" / "Berlin"
    path.write_bytes(path.read_bytes().replace(b"LMT\0", b"XXX\0"))

    assert ZoneDatabase(str(folder)).zone("Europe/Berlin").fingerprint == (
        wheel.zone("Europe/Berlin").fingerprint
    )


def test_an_occurrence_born_before_the_upgrade_keeps_its_instant(
    using: str, upgrade: Callable[[], None]
) -> None:
    event = schedule(At("2090-06-15T09:00", "Africa/Cairo"))
    occurrence = duly.trigger_event(event.id)

    upgrade()
    noticed()
    apply(using)

    assert Occurrence.objects.using(using).get().due_at == occurrence.due_at
