"""Occurrences on Celery's workers: real ones, on a real Redis."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from django.db import connections

from duly.models import Occurrence
from duly.testing.servers import RedisServer
from tests import builders
from tests.celery.conftest import due_now
from tests.celery.workers import CeleryProcesses, Twice
from tests.faults.engines import eventually

pytestmark = pytest.mark.only_postgres
START_SECONDS = 25


def statuses(using: str) -> Counter[str]:
    return Counter(Occurrence.objects.using(using).values_list("status", flat=True))


def await_end(using: str, count: int, seconds: float = START_SECONDS) -> None:
    def has_ended() -> bool:
        ended = Occurrence.objects.using(using).filter(wake_at__isnull=True).count()
        return ended >= count

    eventually(has_ended, seconds, f"the end of {count} occurrences")


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param(("--pool=prefork", "--concurrency=2"), id="prefork"),
        pytest.param(("--pool=threads", "--concurrency=8"), id="threads"),
        pytest.param(("--pool=gevent", "--concurrency=8"), id="gevent"),
    ],
)
def test_each_pool_runs_each_occurrence_once_though_messages_come_twice(
    using: str, celery: CeleryProcesses, handing_over: Twice, pool: tuple[str, ...]
) -> None:
    if "gevent" in pool[0]:
        pytest.importorskip("gevent")
    celery.worker(*pool)
    keys = {due_now(event_type, n) for n in range(20) for event_type in ("note", "anote")}

    await_end(using, 40)

    assert statuses(using) == {"succeeded": 40}
    assert Counter(effect["key"] for effect in celery.effects()) == dict.fromkeys(keys, 1)
    assert builders.ledger_facts(using).count("started") == 40


def test_a_killed_child_is_tried_again_and_atomic_effects_happen_once(
    using: str, celery: CeleryProcesses, handing_over: Twice
) -> None:
    celery.worker("--concurrency=2")
    keys = {due_now("effect", "die"), due_now("effect", "live")}

    await_end(using, 2)

    with connections[using].cursor() as cursor:
        cursor.execute("SELECT key FROM celery_effect")
        assert Counter(key for (key,) in cursor.fetchall()) == dict.fromkeys(keys, 1)
    died = Occurrence.objects.using(using).get(attempt=2)
    # A message that waits for its worker to start may be handed out again meanwhile.
    facts = [fact for fact in builders.ledger_facts(using, died.id) if fact != "claimed"]
    assert facts == ["due", "started", "retried", "started", "succeeded"]


def test_time_limits_free_the_process_and_are_told_as_time_outs(
    using: str, celery: CeleryProcesses, handing_over: Twice
) -> None:
    celery.worker("--concurrency=2")
    overrun, hang = due_now("overrun", timeout=0.5), due_now("hang", timeout=0.5)

    def are_timed_out() -> bool:
        errors = Occurrence.objects.using(using).values_list("error", flat=True)
        return sum(error.startswith("TimedOut") for error in errors) == 2

    eventually(are_timed_out, START_SECONDS, "both time outs")
    # What takes no notice of the soft limit is killed by the hard one.
    eventually(lambda: "Hard time limit" in celery.log.read_text(), 10, "the hard limit")
    key = due_now("note")
    eventually(lambda: key in {one["key"] for one in celery.effects()}, 10, "a free process")
    assert {overrun, hang} <= {one["key"] for one in celery.effects()}


def test_what_the_worker_has_no_handler_for_is_parked(
    using: str, celery: CeleryProcesses, handing_over: Twice
) -> None:
    celery.worker("--concurrency=1")
    due_now("nobodys")

    def is_parked() -> bool:
        return Occurrence.objects.using(using).filter(reason__startswith="no handler").exists()

    eventually(is_parked, START_SECONDS, "the parking")
    assert builders.only_occurrence(using).attempt == 0


def test_a_broker_that_is_away_costs_no_attempt_and_one_that_forgot_no_occurrence(
    using: str, celery: CeleryProcesses, handing_over: Twice, redis: RedisServer
) -> None:
    redis.stop()
    key = due_now("note")
    eventually(lambda: handing_over.refused > 0, 10, "a refusal")
    assert builders.only_occurrence(using).attempt == 0
    redis.start()
    eventually(lambda: _length(redis) > 0, 15, "the message")
    _flush(redis)

    celery.worker("--concurrency=1")

    await_end(using, 1)
    assert [(one["key"], one["attempt"]) for one in celery.effects()] == [(key, 1)]


def test_a_worker_outlives_a_restart_of_the_broker(
    using: str, celery: CeleryProcesses, handing_over: Twice, redis: RedisServer
) -> None:
    celery.worker("--concurrency=1")
    due_now("note")
    await_end(using, 1)
    redis.restart("immediate")
    for _ in range(5):
        due_now("note")
        time.sleep(0.05)

    await_end(using, 6)

    assert statuses(using) == {"succeeded": 6}
    assert set(Counter(one["key"] for one in celery.effects()).values()) == {1}


def _client(redis: RedisServer) -> Any:
    from redis import Redis

    return Redis.from_url(redis.url)


def _length(redis: RedisServer) -> int:
    with _client(redis) as client:
        return int(client.llen("site"))


def _flush(redis: RedisServer) -> None:
    with _client(redis) as client:
        client.flushall()
