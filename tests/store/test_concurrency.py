"""Many claimants at once, in threads and in processes: each occurrence has one of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connections

from duly.models import Occurrence
from duly.store.backends import open_store
from tests import builders
from tests.builders import NOW

pytestmark = pytest.mark.also_partitioned
EVENTS = 200
CLAIMANTS = 6


@pytest.fixture
def many_due(database: str) -> str:
    for number in range(EVENTS):
        builders.stored_event(database, NOW + timedelta(milliseconds=number))
    return database


def _together(work: Callable[[], list[UUID]]) -> list[UUID]:
    """Run `work` in several threads at once; gives all that they gave."""
    given: list[UUID] = []
    problems: list[BaseException] = []
    ready = threading.Barrier(CLAIMANTS)

    def run() -> None:
        ready.wait()
        try:
            given.extend(work())
        except BaseException as error:
            problems.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(CLAIMANTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    return given


def test_threads_that_claim_at_once_share_the_events_between_them(many_due: str) -> None:
    def claim_all() -> list[UUID]:
        store, mine, empty = open_store(many_due), [], 0
        while empty < 3:
            claims = builders.claim(store, NOW + timedelta(seconds=1), limit=7)
            mine += [claim.event_id for claim in claims]
            empty = 0 if claims else empty + 1
        return mine

    claimed = _together(claim_all)

    assert Counter(claimed).most_common(1)[0][1] == 1
    assert len(claimed) == EVENTS
    assert Occurrence.objects.using(many_due).count() == EVENTS


def test_threads_that_start_the_same_claims_begin_each_once(many_due: str) -> None:
    claims = builders.claim(open_store(many_due), NOW + timedelta(seconds=1), limit=EVENTS)

    began = _together(lambda: sorted(builders.start(open_store(many_due), claims)))

    assert sorted(began) == sorted(claim.id for claim in claims)


def test_overlapping_batches_in_any_order_do_not_deadlock(many_due: str) -> None:
    claims = builders.claim(open_store(many_due), NOW + timedelta(seconds=1), limit=EVENTS)
    builders.start(open_store(many_due), claims)
    orders = iter([claims, claims[::-1]] * CLAIMANTS)
    lock = threading.Lock()

    def finish() -> list[UUID]:
        with lock:
            mine = next(orders)
        results = [builders.succeeded(claim) for claim in mine]
        return sorted(open_store(many_due).finish(results, now=NOW))

    written = _together(finish)

    assert sorted(written) == sorted(claim.id for claim in claims)


_CLAIMANT = """
import json, sys
from uuid import uuid4
import django
django.setup()
from tests import builders
from duly.store.backends import open_store
store, mine, empty = open_store("default"), [], 0
while empty < 3:
    claims = builders.claim(store, builders.NOW + builders.LEASE, limit=7, holder=uuid4())
    began = builders.start(store, claims)
    mine += [str(claim.event_id) for claim in claims if claim.id in began]
    empty = 0 if claims else empty + 1
print(json.dumps(mine))
"""


def test_processes_that_claim_at_once_share_the_events_between_them(
    many_due: str, database_url: str
) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "duly.service.settings",
        "DULY_DATABASE_URL": database_url,
    }
    claimants = [
        subprocess.Popen(
            [sys.executable, "-c", _CLAIMANT], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    claimed = [id_ for one in claimants for id_ in json.loads(one.communicate(timeout=60)[0])]

    assert [one.returncode for one in claimants] == [0] * 4
    assert Counter(claimed).most_common(1)[0][1] == 1
    assert len(claimed) == EVENTS
