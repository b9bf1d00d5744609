"""Every call is in the ledger with its actor, gathered, and without a word of its key."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import jwt
import pytest

from duly import clock
from duly.access.calls import MOST_GATHERED, OTHERS, CallLog, call_log
from duly.access.keys import issue_key, rotate_key
from duly.models import LedgerEntry
from duly.policy.scopes import Scope
from duly.store import retention, stamps
from duly.store.calls import Calls, told, write
from duly.store.prune import Terms
from duly.store.seals import seal, verify_seals
from duly.store.verify import Verified, verify
from duly.testing.manual_clock import ManualClock
from tests.access.conftest import Get
from tests.access.issuer import AUDIENCE, ISSUER, SECRET, claims
from tests.builders import NOW

JWT = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["HS256"], "secret": SECRET}


def calls_in(using: str) -> set[tuple[str, str, int, int]]:
    found = []
    for entry in told(using, None):
        data = entry.data or {}
        found.append((entry.actor, data["operation"], data["status"], data["count"]))
    assert len(found) == len(set(found))
    return set(found)


def test_calls_are_told_with_their_actor_a_row_for_each_kind(get: Get, using: str) -> None:
    key, secret = issue_key("billing", "reader", [Scope.READ])
    good = {"X_API_Key": secret, "X_Service_Name": "billing"}
    for _ in range(3):
        get(**good)
    get(**good, method="POST", path="/api/change")
    get(X_API_Key="wrong")
    get()
    get(**good, path="/api/later")

    call_log.flush()

    actor = f"key:billing/{key.prefix}"
    assert calls_in(using) == {
        (actor, "GET /api/who", 200, 3),
        (actor, "GET /api/later", 200, 1),
        (actor, "POST /api/change", 403, 1),
        ("unknown", "GET /api/who", 401, 2),
    }


def test_a_call_that_breaks_is_told_as_well(get: Get, using: str) -> None:
    key, secret = issue_key("billing", "reader", [Scope.READ])
    with pytest.raises(RuntimeError):
        get(X_API_Key=secret, X_Service_Name="billing", path="/api/breaks")

    call_log.flush()

    assert calls_in(using) == {(f"key:billing/{key.prefix}", "GET /api/breaks", 500, 1)}


def test_they_are_written_within_a_second_or_so_by_a_thread_that_then_ends(using: str) -> None:
    before = clock.use(clock.DatabaseClock())
    try:
        log = CallLog()
        log.add(using, "key:a/b", "GET /x", 200)
        thread = log._thread
        assert thread is not None
        thread.join(timeout=20)
    finally:
        clock.use(before)

    assert not thread.is_alive()
    assert calls_in(using) == {("key:a/b", "GET /x", 200, 1)}


def test_what_is_gathered_is_bounded(using: str) -> None:
    log = CallLog()
    for number in range(3 * MOST_GATHERED):
        log.add(using, f"jwt:{number}", "GET /x", 200)

    log.flush()

    rows = calls_in(using)
    assert len(rows) == MOST_GATHERED + 1
    assert (OTHERS, "", 200, 2 * MOST_GATHERED) in rows


def test_calls_that_could_not_be_written_are_written_later(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = CallLog()
    log.add(using, "key:a/b", "GET /x", 200)
    with monkeypatch.context() as broken:
        broken.setattr("duly.store.calls.write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            log.flush()
    log.add(using, "key:a/b", "GET /x", 200)

    log.flush()

    assert calls_in(using) == {("key:a/b", "GET /x", 200, 2)}


def test_no_call_is_lost_or_doubled_between_threads(using: str) -> None:
    log = CallLog()

    def call() -> None:
        for _ in range(500):
            log.add(using, "key:a/b", "GET /x", 200)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        log.flush()
    for thread in threads:
        thread.join()
    log.flush()

    assert sum((entry.data or {})["count"] for entry in told(using, None)) == 2000


def test_the_end_of_the_process_writes_what_is_left(using: str, database_url: str) -> None:
    program = (
        "import django; django.setup()\n"
        "from duly.access.calls import call_log\n"
        "call_log.add('default', 'key:a/b', 'GET /x', 200)\n"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "duly.service.settings",
        "DULY_DATABASE_URL": database_url,
    }

    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)

    assert calls_in(using) == {("key:a/b", "GET /x", 200, 1)}


@pytest.mark.also_partitioned
def test_calls_go_when_history_is_pruned_and_the_ledger_still_verifies(
    using: str, manual: ManualClock
) -> None:
    old, young = Calls("key:a/b", "GET /x", 200, 1), Calls("key:a/b", "GET /y", 200, 1)
    issue_key("billing", "reader", [Scope.READ], actor="anna")
    write(using, [old] * 600, NOW)
    later = NOW + timedelta(days=2)
    while seal(using, later):
        pass
    write(using, [young], later)
    terms = Terms(NOW + timedelta(days=1))

    assert sum(
        done.entries for done in retention.prune(using, terms, later, actor="", dry_run=True)
    )
    done = sum(pruned.entries for pruned in retention.prune(using, terms, later, actor="engine"))

    assert done == 600
    assert calls_in(using) == {("key:a/b", "GET /y", 200, 1)}
    assert LedgerEntry.objects.using(using).filter(fact="key_issued").count() == 1
    while seal(using, later + timedelta(hours=1)):
        pass
    assert [*verify_seals(using), *verify(using, Verified())] == []
    assert stamps.read(using, "pruned") is None


def test_no_log_and_no_row_of_the_database_holds_a_credential(
    get: Get, using: str, settings: Any, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    settings.DEBUG = True
    settings.DULY = {**settings.DULY, "JWT": JWT}
    key, secret = issue_key("billing", "reader", [Scope.READ])
    _, successor = rotate_key(key.prefix)
    token = jwt.encode(claims(), SECRET, "HS256")
    stale = jwt.encode(claims(exp=1), SECRET, "HS256")
    canaries = [secret.rpartition("_")[2], successor.rpartition("_")[2], SECRET]
    canaries += [token.rpartition(".")[2], stale.rpartition(".")[2]]
    answers = [
        get(X_API_Key=secret, X_Service_Name="billing"),
        get(X_API_Key=successor, X_Service_Name="billing"),
        get(X_API_Key=secret, X_Service_Name="crm"),
        get(X_API_Key=secret + "0", X_Service_Name="billing"),
        get(Authorization=f"Bearer {token}"),
        get(Authorization=f"Bearer {stale}"),
        get(Authorization=f"Basic {secret}"),
        get(Authorization=secret),
    ]

    call_log.flush()

    shown = caplog.text + repr([(one.content, one.headers) for one in answers])
    shown += repr([[entry.data, entry.actor] for entry in LedgerEntry.objects.using(using).all()])
    assert [canary for canary in canaries if canary in shown] == []
    assert [answer.status_code for answer in answers] == [200, 200, 401, 401, 200, 401, 401, 401]
