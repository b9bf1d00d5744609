"""The client does with a real service what it says."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from duly import At, Cron, Every
from duly.client import (
    Changed,
    Client,
    Conflict,
    Forbidden,
    NewEvent,
    NotFound,
    Refused,
    Rejected,
    Stored,
    Unauthorized,
)
from duly.client.results import Fired
from tests.service_api.running import Running, token

FAR = datetime(2099, 3, 30, 9, tzinfo=UTC)
SECONDS = 30.0


@pytest.fixture
def client(service: Running) -> Iterator[Client]:
    with service.client() as client:
        yield client


def eventually(holds: Callable[[], object]) -> None:
    """Wait for what the service's engine does in its own time."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_civil_time_is_read_in_its_zone(client: Client) -> None:
    made = client.schedule(
        "APPOINTMENT_REMINDER",
        datetime(2031, 3, 30, 9),
        timezone="Australia/Sydney",
        entity=("appointment", 42),
        payload={"channel": "sms", "ünï": [1, None, True]},
        user_timezone="Europe/Berlin",
    )

    event = client.get(made.event_id)
    assert made.scheduled_time == datetime(2031, 3, 29, 22, tzinfo=UTC)
    assert made.scheduled_time.utcoffset() == timedelta(hours=11)
    assert event.type == "appointment_reminder"
    assert (event.entity_type, event.entity_id) == ("appointment", "42")
    assert event.payload == {"channel": "sms", "ünï": [1, None, True]}
    assert event.timezone_context.user_timezone == "Europe/Berlin"
    assert event.schedule["local"] == "2031-03-30T09:00:00"
    assert client.get(made.event_id, timezone="UTC").scheduled_time == made.scheduled_time


def test_an_aware_time_is_that_instant(client: Client) -> None:
    there = datetime(2031, 7, 1, 9, tzinfo=ZoneInfo("America/New_York"))

    made = client.schedule("reminder", there)

    assert made.scheduled_time == there


def test_rules_are_those_of_python_and_their_json(client: Client) -> None:
    cron = Cron("0 9 * * mon-fri", "Europe/Berlin")
    for rule in (
        At("2031-03-30T09:00", "Europe/Berlin"),
        cron,
        cron.to_json(),
        Every(timedelta(minutes=15)),
        {"frequency": "weekly", "by_day": ["MO"], "start": "2031-03-31T09:00"},
    ):
        previewed = client.preview(rule, timezone="Europe/Berlin", after=FAR, n=2)
        made = client.schedule("reminder", rule, timezone="Europe/Berlin")

        assert made.status == "scheduled"
        assert len(previewed.firings) <= 2
        client.cancel(made.event_id)
    assert previewed.firings[0].wall_time.tzinfo is None
    assert previewed.firings[0].local == previewed.firings[0].at


def test_the_same_key_is_the_same_event(client: Client) -> None:
    key = uuid4().hex
    first = client.schedule("reminder", FAR, key=key)

    again = client.schedule("reminder", FAR, key=key)

    assert again.event_id == first.event_id
    with pytest.raises(Conflict, match=key):
        client.schedule("reminder", FAR + timedelta(days=1), key=key)
    moved = client.schedule("reminder", FAR + timedelta(days=1), key=key, on_conflict="replace")
    assert moved.event_id == first.event_id
    assert client.get(key).scheduled_time == FAR + timedelta(days=1)


def test_without_a_key_each_call_is_another_event(client: Client) -> None:
    one, other = client.schedule("reminder", FAR), client.schedule("reminder", FAR)

    assert one.event_id != other.event_id


def test_a_refusal_names_field_value_and_rule(client: Client) -> None:
    with pytest.raises(Refused, match="Europe/Kiew") as caught:
        client.schedule("reminder", FAR, user_timezone="Europe/Kiew")

    problem = caught.value.problem
    assert problem is not None
    assert problem.field == "timezone_context.user_timezone"
    assert problem.value == "Europe/Kiew"
    assert problem.rule


def test_many_are_scheduled_each_with_its_result(client: Client) -> None:
    entity = ("patient", uuid4().hex)

    def events() -> Iterator[NewEvent]:
        for number in range(250):
            zone = "Europe/Kiew" if number == 99 else "Europe/Berlin"
            yield NewEvent("reminder", datetime(2099, 1, 1), timezone=zone, entity=entity)

    found = list(client.schedule_many(events(), batch=100))

    assert [one.index for one in found] == list(range(250))
    (bad,) = [one for one in found if isinstance(one, Rejected)]
    assert bad.index == 99
    assert isinstance(bad.error, Refused)
    assert "Europe/Kiew" in str(bad.error)
    ids = {one.event_id for one in found if isinstance(one, Stored) and one.is_new}
    assert ids == {one.event_id for one in client.upcoming(entity=entity)}
    assert client.cancel_entity(entity).events_cancelled == 249


def test_what_comes_up_is_read_page_by_page(client: Client) -> None:
    entity = ("room", uuid4().hex)
    client.schedule("clean", Every(timedelta(minutes=1)), entity=entity)

    found = list(client.upcoming(entity=entity, limit=2500, timezone="Asia/Kolkata"))

    times = [one.scheduled_time for one in found]
    assert len(found) == 2500
    assert times == sorted(set(times))
    assert times[0].utcoffset() == timedelta(hours=5.5)
    assert len(list(client.upcoming(entity=entity, limit=3))) == 3
    assert list(client.upcoming(entity=entity, end=datetime(2020, 1, 1, tzinfo=UTC))) == []
    assert len(list(client.events(entity=entity, status="scheduled"))) == 1
    client.cancel_entity(entity)


def test_an_event_is_changed_stopped_and_goes_on(client: Client) -> None:
    made = client.schedule("reminder", FAR)

    assert client.pause(made.event_id, note="strike").status == "done"
    assert client.get(made.event_id).status == "paused"
    assert client.resume(made.event_id).status == "done"
    answer = client.reschedule(made.event_id, datetime(2098, 1, 1), timezone="Asia/Tokyo")
    assert answer.status == "done"
    event = client.get(made.event_id)
    assert event.scheduled_time == datetime(2097, 12, 31, 15, tzinfo=UTC)
    assert client.cancel(made.event_id).status == "cancelled"
    with pytest.raises(NotFound):
        client.cancel(made.event_id)
    facts = [entry.fact for entry in client.ledger(made.event_id)]
    assert facts == ["scheduled", "paused", "resumed", "rescheduled", "cancelled"]
    assert next(client.ledger(made.event_id, newest_first=True)).actor.startswith("key:mine/")


def test_a_change_of_what_has_changed_is_refused(client: Client) -> None:
    made = client.schedule("reminder", FAR)
    seen = client.get(made.event_id).etag
    client.pause(made.event_id)

    with pytest.raises(Changed):
        client.cancel(made.event_id, if_match=seen)

    client.cancel(made.event_id, if_match=client.get(made.event_id).etag)


def test_what_is_triggered_runs_and_is_told(client: Client) -> None:
    made = client.schedule("does", FAR, payload={"n": 1})

    born = client.trigger(made.event_id)

    eventually(lambda: client.occurrence(born.occurrence_id).status == "succeeded")
    one = client.occurrence(born.occurrence_id)
    assert one.payload == {"n": 1}
    assert [attempt.outcome for attempt in one.history] == ["succeeded"]
    assert [other.occurrence_id for other in client.occurrences(made.event_id)] == [
        born.occurrence_id
    ]
    client.cancel(made.event_id)


def test_the_dead_are_found_and_replayed(client: Client) -> None:
    entity = ("patient", uuid4().hex)
    client.schedule("never_can", datetime.now(UTC), entity=entity)

    eventually(lambda: list(client.dead_letters(entity=entity)))

    (dead,) = client.dead_letters(type="never_can", entity=entity, error="never")
    assert dead.status == "dead"
    assert client.replay_dead(entity=entity, dry_run=True).count == 1
    assert client.replay(dead.occurrence_id).occurrence_id == dead.occurrence_id
    eventually(lambda: list(client.dead_letters(entity=entity)))
    replayed = client.replay_dead(entity=entity)
    assert replayed.occurrence_ids == (dead.occurrence_id,)


def test_a_saga_is_started_signalled_and_seen(client: Client) -> None:
    key = uuid4().hex
    saga = client.start_saga("visit", context={"n": 1}, key=key, entity=("visit", key))

    assert client.start_saga("visit", key=key).saga_id == saga.saga_id
    eventually(lambda: client.saga(key).status == "waiting")
    client.signal_saga(key, "confirmed", True)
    eventually(lambda: client.saga(saga.saga_id).status == "completed")
    assert client.saga(key).context == {"n": 1, "confirmed": True}
    assert [one.saga_id for one in client.sagas(entity=("visit", key))] == [saga.saga_id]
    with pytest.raises(Conflict):
        client.cancel_saga(key, reason="too late")


def test_zones_are_converted_and_compared(client: Client) -> None:
    found = client.convert(
        datetime(2031, 3, 30, 9), ["UTC", "Asia/Tokyo"], from_timezone="Australia/Sydney"
    )
    compared = client.validate("Europe/Berlin", "Europe/Kiew")

    assert found.at == datetime(2031, 3, 29, 22, tzinfo=UTC)
    assert found.conversions["Asia/Tokyo"].local.hour == 7
    assert compared.compatible is False
    assert compared.warnings[0].code == "unknown_zone"


def test_who_may_not_is_told_so(service: Running, client: Client) -> None:
    with service.client("only_read") as reader, pytest.raises(Forbidden, match="schedule"):
        reader.schedule("reminder", FAR)
    with service.client("revoked") as revoked, pytest.raises(Unauthorized):
        list(revoked.upcoming())
    made = client.schedule("reminder", FAR)
    with service.client("theirs") as others, pytest.raises(NotFound):
        others.get(made.event_id)
    with Client(service.url, token=token) as bearer:
        assert bearer.get(made.event_id).event_id == made.event_id


def test_many_threads_share_a_client(client: Client) -> None:
    made: list[object] = []
    threads = [
        threading.Thread(target=lambda: made.append(client.schedule("reminder", FAR)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 20


def test_coroutines_have_the_same(service: Running) -> None:
    async def all_of_it() -> None:
        entity = ("patient", uuid4().hex)
        async with service.async_client() as client:
            made = await asyncio.gather(
                *(client.schedule("reminder", FAR, entity=entity) for _ in range(20))
            )
            assert len({one.event_id for one in made}) == 20
            found = [one async for one in client.upcoming(entity=entity, limit=15)]
            assert len(found) == 15
            many = [NewEvent("reminder", FAR, entity=entity) for _ in range(30)]
            stored = [one async for one in client.schedule_many(many, batch=10)]
            assert [one.index for one in stored] == list(range(30))
            assert (await client.cancel_entity(entity)).events_cancelled == 50
            with pytest.raises(NotFound):
                await client.get(uuid4())

    asyncio.run(all_of_it())


def test_a_patch_changes_what_it_names_unless_it_has_changed_since(client: Client) -> None:
    made = client.schedule("reminder", FAR, timezone="Europe/Berlin", payload={"a": 1})
    read = client.get(made.event_id)

    patched = client.patch(
        read.event_id, datetime(2099, 5, 1, 9), if_match=read.etag, max_retries=7
    )

    assert patched.scheduled_time == datetime(2099, 5, 1, 9, tzinfo=ZoneInfo("Europe/Berlin"))
    assert patched.payload == {"a": 1}
    assert patched.etag not in ("", read.etag)
    with pytest.raises(Changed):
        client.patch(read.event_id, payload=None, if_match=read.etag)
    assert client.patch(read.event_id, payload=None, if_match=patched.etag).payload is None


def test_single_firings_are_skipped_moved_planned_and_explained(client: Client) -> None:
    rule = Cron("0 9 * * *", "Europe/Berlin")
    event = client.schedule("reminder", rule, entity=("patient", uuid4().hex)).event_id
    _, second, third = [one.at for one in client.preview(rule, n=3).firings]

    assert client.skip(event).status == "done"
    assert client.move(event, third + timedelta(hours=1), due_at=third).status == "done"
    planned = client.plan(event, Cron("30 9 * * *", "Europe/Berlin"), until=third)
    explained = client.explain(event)

    assert client.get(event).scheduled_time == second
    assert second in [one.at for one in planned.removed]
    assert planned.added[0].wall_time.minute == 30
    assert explained.at == second
    assert explained.wall_time.hour == 9
    assert explained.sentences
    assert client.explain_rule(rule, after=FAR).zone == "Europe/Berlin"


def test_what_was_missed_is_made_up_for(client: Client) -> None:
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rule = Cron("0 * * * *", "UTC", start=datetime(2020, 1, 1))
    event = client.schedule("does", rule).event_id

    made = client.backfill(event, end - timedelta(hours=3), end)

    assert [one.due_at for one in made.occurrences] == [end - timedelta(hours=n) for n in (3, 2, 1)]


def test_templates_are_stored_used_replaced_and_deleted(client: Client) -> None:
    name, schedule = f"visit-{uuid4().hex}", {"before": {"days": 1, "at": "09:00"}}
    made = client.create_template(name, "REMINDER", schedule, timezone="Europe/Berlin")

    event = client.schedule_template(name, time=datetime(2031, 3, 31, 14, 30), entity=43)

    assert made.version == 1
    assert event.scheduled_time == datetime(2031, 3, 30, 9, tzinfo=ZoneInfo("Europe/Berlin"))
    with pytest.raises(Conflict, match=name):
        client.create_template(name, "reminder", schedule, timezone="Europe/Berlin")
    changed = client.replace_template(
        name, "reminder", {"at": "$time"}, timezone="UTC", if_match=made.etag
    )
    assert name in [one.name for one in client.templates()]
    assert client.template(name) == changed
    with pytest.raises(Changed):
        client.delete_template(name, if_match=made.etag)
    client.delete_template(name, if_match=changed.etag)
    with pytest.raises(NotFound):
        client.template(name)


def test_a_breaker_is_opened_and_closed(service: Running, client: Client) -> None:
    # Of a service that nothing else waits for.
    with service.client("theirs") as theirs:
        assert theirs.open_breaker("service:theirs").status == "open"
        assert [one.name for one in theirs.breakers()] == ["service:theirs"]
        assert theirs.close_breaker("service:theirs").status == "closed"
    with pytest.raises(NotFound):
        client.open_breaker("service:theirs")


def test_a_calendar_is_linked_read_and_revoked(client: Client) -> None:
    patient = ("patient", uuid4().hex)
    client.schedule("check_up", datetime.now(UTC) + timedelta(days=30), entity=patient)

    link = client.calendar_link(patient, expires_in_days=2)

    assert "SUMMARY:Check up" in client.calendar(link)
    assert "signed" not in repr(link)
    client.revoke_calendar_links(patient)
    with pytest.raises(NotFound):
        client.calendar(link.url)


def test_what_fires_is_followed_as_it_fires(client: Client) -> None:
    patient = ("patient", uuid4().hex)
    event = client.schedule("does", Every(timedelta(days=1)), entity=patient).event_id
    stream = client.stream(entity=patient, facts=["succeeded"], seconds=SECONDS)
    fired = threading.Timer(0.5, client.trigger, [event])

    fired.start()
    first = next(stream)
    fired.join()
    client.trigger(event)
    assert isinstance(first, Fired)
    again = next(client.stream(entity=patient, after=first.place, facts=["succeeded"]))

    assert (first.fact, first.event_id, first.entity_id) == ("succeeded", event, patient[1])
    assert isinstance(again, Fired)
    assert again.id > first.id


def test_a_stream_ends_after_its_seconds(service: Running) -> None:
    # With a key that has no other stream: only so many of one may be open.
    with service.client("only_read") as client:
        assert list(client.stream(entity=uuid4().hex, seconds=1)) == []


def test_coroutines_follow_what_fires(service: Running) -> None:
    async def follow() -> None:
        patient = ("patient", uuid4().hex)
        async with service.async_client() as client:
            made = await client.schedule("does", Every(timedelta(days=1)), entity=patient)
            stream = client.stream(entity=patient, facts=["succeeded"], seconds=SECONDS)
            first = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.5)
            await client.trigger(made.event_id)
            fired = await first
            await stream.aclose()
            assert isinstance(fired, Fired)
            assert fired.event_id == made.event_id

    asyncio.run(follow())


def test_dead_letters_are_told_by_what_they_died_of(client: Client) -> None:
    made = client.schedule("never_can", FAR)
    client.trigger(made.event_id)

    eventually(lambda: client.dead_letter_groups(type="never_can").groups)

    (group,) = client.dead_letter_groups(type="never_can").groups
    assert "never" in group.error
