"""Quotas of a service: what is taken, what is left, and who shares them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from duly.access import quotas
from duly.access.caller import Caller
from duly.access.keys import issue_key
from duly.access.quotas import admit_events, admit_request, check_payload, payload_limit
from duly.access.refusals import QuotaExceeded
from duly.errors import ConfigurationError, InvalidPayload
from duly.models import QuotaUse, ScheduledEvent
from duly.policy.quota import Left, Quota, Remaining, quota_from
from duly.policy.scopes import Scope
from duly.services import registry
from duly.store.quotas import Used
from duly.store.services import put_service
from tests.access.conftest import Get
from tests.builders import NOW, stored_event

SECOND = timedelta(seconds=1)
CALLER = Caller(actor="key:billing/x", service="billing", scopes=frozenset({Scope.SCHEDULE}))
Limit = Callable[..., None]


@pytest.fixture
def limit(using: str, settings: Any) -> Limit:
    """Give the service "billing" a quota."""

    def limit(**quota: Any) -> None:
        settings.DULY = {**settings.DULY, "SERVICES": {"billing": {"quota": quota}}}

    return limit


def requests_let_in(count: int, now: Any = NOW) -> int:
    admitted = 0
    for _ in range(count):
        try:
            admit_request(CALLER, now)
        except QuotaExceeded:
            continue
        admitted += 1
    return admitted


def left(remaining: Remaining) -> dict[str, int]:
    return {one.name: one.left for one in remaining.quotas}


def test_a_service_without_a_quota_costs_no_statement(
    using: str, django_assert_num_queries: Any
) -> None:
    registry.refresh()
    with django_assert_num_queries(0, using=using):
        assert admit_request(CALLER, NOW) == Remaining()
        assert admit_events("billing", 10**9, NOW) == Remaining()


def test_so_many_requests_are_let_in_at_once_and_then_evenly(limit: Limit) -> None:
    limit(requests="50/s")

    assert requests_let_in(200) == 50
    assert requests_let_in(200, NOW + SECOND / 2) == 25
    assert requests_let_in(200, NOW + 10 * SECOND) == 50


def test_a_request_costs_one_statement_and_a_refused_one_none(
    limit: Limit, using: str, django_assert_num_queries: Any
) -> None:
    limit(requests="2/s")
    admit_request(CALLER, NOW)
    with django_assert_num_queries(1, using=using):
        assert left(admit_request(CALLER, NOW)) == {"requests": 0}
    assert requests_let_in(1) == 0
    with django_assert_num_queries(0, using=using):
        assert requests_let_in(100) == 0


def test_a_refusal_says_when_to_come_again_and_then_it_is_let_in(limit: Limit) -> None:
    limit(requests="4/m")
    assert requests_let_in(4) == 4

    with pytest.raises(QuotaExceeded, match="quota 'requests' is 4/m") as caught:
        admit_request(CALLER, NOW)

    assert caught.value.retry_after == 15 * SECOND
    assert caught.value.headers["Retry-After"] == "15"
    assert requests_let_in(1, NOW + 14 * SECOND) == 0
    assert requests_let_in(1, NOW + 15 * SECOND) == 1


def test_services_do_not_share_their_quotas(limit: Limit, settings: Any) -> None:
    both = {"billing": {"quota": {"requests": "2/s"}}, "crm": {"quota": {"requests": "2/s"}}}
    settings.DULY = {**settings.DULY, "SERVICES": both}
    crm = Caller(actor="key:crm/y", service="crm", scopes=frozenset())

    assert requests_let_in(5) == 2
    assert left(admit_request(crm, NOW)) == {"requests": 1}


def test_a_quota_may_be_registered_in_the_database(using: str) -> None:
    put_service(using, "billing", {"quota": {"requests": "3/s"}}, NOW)
    registry.forget()

    assert requests_let_in(10) == 3
    registry.forget()


def test_events_are_counted_one_by_one_or_in_bulk(limit: Limit) -> None:
    limit(events="100/s")

    assert left(admit_events("billing", 60, NOW)) == {"events": 40}
    with pytest.raises(QuotaExceeded) as caught:
        admit_events("billing", 41, NOW)
    assert (caught.value.value, left(caught.value.remaining)) == (41, {"events": 40})
    assert left(admit_events("billing", 40, NOW)) == {"events": 0}


def test_a_bulk_larger_than_the_bucket_goes_when_it_is_full_and_is_paid_for(
    limit: Limit,
) -> None:
    limit(events="100/s")
    admit_events("billing", 1, NOW)
    with pytest.raises(QuotaExceeded):
        admit_events("billing", 500, NOW)

    admit_events("billing", 500, NOW + SECOND / 100)

    with pytest.raises(QuotaExceeded) as caught:
        admit_events("billing", 1, NOW + SECOND)
    assert 3 * SECOND < caught.value.retry_after <= 4.03 * SECOND
    assert left(admit_events("billing", 1, NOW + 5.02 * SECOND)) == {"events": 99}


def test_pending_events_are_counted_up_to_the_limit(limit: Limit, using: str) -> None:
    for _ in range(3):
        stored_event(using, NOW + timedelta(days=1), service="billing")
    stored_event(using, NOW + timedelta(days=1), service="crm")
    limit(pending=5)

    assert left(admit_events("billing", 1, NOW)) == {"pending": 1}
    with pytest.raises(QuotaExceeded, match="quota 'pending' is 5, and 2 more") as caught:
        admit_events("billing", 2, NOW)
    assert caught.value.retry_after == SECOND


def test_events_that_have_fired_make_room_a_second_later(limit: Limit, using: str) -> None:
    for _ in range(5):
        stored_event(using, NOW + timedelta(days=1), service="billing")
    limit(pending=5)
    with pytest.raises(QuotaExceeded):
        admit_events("billing", 1, NOW)
    gone = ScheduledEvent.objects.using(using).order_by("id")[:2].values("id")
    ScheduledEvent.objects.using(using).filter(
        id__in=list(gone.values_list("id", flat=True))
    ).delete()

    with pytest.raises(QuotaExceeded):
        admit_events("billing", 1, NOW + SECOND / 2)

    assert left(admit_events("billing", 1, NOW + SECOND)) == {"pending": 1}


def test_pending_events_are_not_counted_on_each_call(
    limit: Limit, using: str, django_assert_num_queries: Any
) -> None:
    limit(pending=1000)
    admit_events("billing", 1, NOW)

    with django_assert_num_queries(1, using=using):
        assert left(admit_events("billing", 1, NOW)) == {"pending": 998}


def test_a_count_that_is_ten_minutes_old_is_not_gone_by(limit: Limit, using: str) -> None:
    limit(pending=10)
    admit_events("billing", 1, NOW)
    # While it had no quota, nobody counted.
    for _ in range(9):
        stored_event(using, NOW + timedelta(days=1), service="billing")

    assert left(admit_events("billing", 1, NOW + timedelta(minutes=11))) == {"pending": 0}


def test_a_payload_is_measured_by_the_quota_of_its_service(limit: Limit) -> None:
    limit(payload_bytes=10)

    assert (payload_limit("billing"), payload_limit("crm")) == (10, 65_536)
    check_payload("billing", {"a": "é"})
    check_payload("crm", {"a": "é" * 100})
    with pytest.raises(InvalidPayload, match="11 bytes as JSON, more than the 10 of the quota"):
        check_payload("billing", {"a": "éa"})


@pytest.mark.only_postgres
def test_two_processes_share_a_quota(limit: Limit, database_url: str) -> None:
    services = {"billing": {"quota": {"requests": "40/h"}}}
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "duly.service.settings",
        "DULY_DATABASE_URL": database_url,
        "DULY_SERVICES": json.dumps(services),
    }
    command = [sys.executable, "-m", "tests.access.quota_process", "60", NOW.isoformat()]

    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    admitted = [int(process.communicate(timeout=80)[0]) for process in processes]

    assert sum(admitted) == 40


def test_threads_share_a_quota(limit: Limit, using: str) -> None:
    limit(requests="100/h", pending=100)
    admitted: list[int] = []

    def take() -> None:
        try:
            admitted.append(requests_let_in(50))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(admitted) == 100
    assert QuotaUse.objects.using(using).count() == 1


def test_the_answer_says_what_is_left_and_429_when(get: Get, limit: Limit) -> None:
    limit(requests="10/s", events="100/m")
    _, secret = issue_key("billing", "backend", [Scope.SCHEDULE])
    good = {"X_API_Key": secret, "X_Service_Name": "billing", "method": "POST"}

    first = get(path="/api/events?count=90", **good)
    second = get(path="/api/events?count=90", **good)

    assert (first.status_code, second.status_code) == (200, 429)
    assert first["RateLimit"] == '"requests";r=9;t=1, "events";r=10;t=54'
    assert first["RateLimit-Policy"] == '"requests";q=10;w=1, "events";q=100;w=60'
    assert (first["X-RateLimit-Limit"], first["X-RateLimit-Remaining"]) == ("100", "10")
    assert second["Retry-After"] == "48"
    assert second["X-RateLimit-Reset"] == "54"
    codes = [get(**good, path="/api/events?count=1").status_code for _ in range(10)]
    assert codes == [200] * 8 + [429] * 2


def test_refusals_are_forgotten_in_bounded_memory(limit: Limit, settings: Any) -> None:
    names = [f"service {number}" for number in range(quotas._MOST_REFUSED + 10)]
    wanted = quotas._Wanted("requests", "", 1, quota_from({"requests": "1/h"}).requests, None)
    for name in names:
        asked = replace(wanted, service=name)
        quotas._taker._refusal("default", asked, Used(2**60, 0), 0)

    assert len(quotas._taker._refused) == quotas._MOST_REFUSED


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param({"requests": "many"}, "quota 'requests': rate must be", id="rate"),
        pytest.param({"pending": 0}, "pending must be a whole number from 1", id="zero"),
        pytest.param({"payload_bytes": True}, "payload_bytes must be a whole", id="true"),
        pytest.param({"request": "1/s"}, "did you mean 'requests'", id="near"),
        pytest.param([], "quota must be a dict", id="list"),
    ],
)
def test_a_quota_that_cannot_work_is_refused_where_it_is_written(given: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        quota_from(given)


def test_what_is_left_is_told_of_the_quota_nearest_its_end() -> None:
    remaining = Remaining((Left("requests", 10, 9), Left("pending", 100, 5)))

    assert remaining.headers()["X-RateLimit-Limit"] == "100"
    assert Remaining().headers() == {}
    assert not Quota()
