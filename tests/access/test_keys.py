"""API keys: issued, shown once, verified, rotated, revoked, and told in the ledger."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

import pytest

from duly.access import keys
from duly.access.keys import REMEMBERED_SECONDS, issue_key, list_keys, revoke_key, rotate_key
from duly.access.refusals import Unauthorized
from duly.errors import InvalidKey, KeyConflict, KeyNotFound
from duly.models import ApiKey, LedgerEntry
from duly.policy.scopes import Scope
from duly.store import api_keys
from duly.testing.manual_clock import ManualClock
from tests.builders import NOW

DAY = timedelta(days=1)
BOTH = [Scope.SCHEDULE, Scope.READ]


def is_good(secret: str, service: str = "billing") -> bool:
    try:
        keys.verify(service, secret)
    except Unauthorized as error:
        told = (str(error), error.reason)
    else:
        return True
    # The same words, whatever is wrong.
    assert told[0] == str(Unauthorized())
    assert not secret or secret not in told[1]
    return False


def test_a_key_says_whose_it_is_and_what_it_may(using: str) -> None:
    key, secret = issue_key("billing", "backend", BOTH)

    caller = keys.verify("billing", secret)

    assert caller.actor == f"key:billing/{key.prefix}"
    assert (caller.service, caller.scopes) == ("billing", frozenset(BOTH))
    assert not caller.sees_all


def test_only_a_digest_is_stored_and_the_secret_has_256_bits(using: str) -> None:
    key, secret = issue_key("billing", "backend", BOTH)

    row = ApiKey.objects.using(using).get()
    assert row.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.startswith(f"duly_{key.prefix}_")
    assert len(bytes.fromhex(secret.rpartition("_")[2])) == 32
    assert secret.rpartition("_")[2] not in repr((row.__dict__, issue_key("a", "b", BOTH)))


def test_a_key_of_the_scope_admin_sees_all_services(using: str) -> None:
    _, secret = issue_key("operations", "desk", [Scope.ADMIN])

    caller = keys.verify("operations", secret)

    assert caller.sees_all
    assert caller.may(Scope.REPLAY)
    assert caller.may_touch("billing")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("", id="nothing"),
        pytest.param("duly_", id="no-parts"),
        pytest.param("duly_ffffffffff_00", id="unknown-prefix"),
        pytest.param("x" * 100_000, id="very-long"),
        pytest.param("duly_\u0130\u0660_\udcff", id="not-ascii"),
        pytest.param("duly_a\0b_cc", id="nul"),
    ],
)
def test_what_is_no_key_is_refused(using: str, other: str) -> None:
    issue_key("billing", "backend", BOTH)

    assert not is_good(other)


def test_the_right_prefix_with_a_wrong_secret_is_refused(using: str) -> None:
    key, secret = issue_key("billing", "backend", BOTH)
    other = secret[:-1] + ("0" if secret[-1] != "0" else "1")

    assert not is_good(other)
    assert not is_good(f"duly_{key.prefix}_")
    assert is_good(secret)


def test_a_key_is_good_for_its_own_service_only(using: str) -> None:
    _, secret = issue_key("billing", "backend", [Scope.ADMIN])

    assert not is_good(secret, "crm")
    assert not is_good(secret, "")
    assert is_good(secret)


def test_an_unknown_prefix_costs_the_same_work_as_a_wrong_secret(
    using: str, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, _ = issue_key("billing", "backend", BOTH)
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def counting(one: Any, other: Any) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    work = []
    for secret in (f"duly_{key.prefix}_00", "duly_0000000000_00", "nonsense"):
        compared.clear()
        with django_assert_num_queries(1, using=using):
            assert not is_good(secret)
        work.append([compared[0], len(compared)])

    assert work[0] == work[1] == work[2] == [(64, 64), 2]


def test_an_expired_key_stops_at_its_instant(using: str, manual: ManualClock) -> None:
    _, secret = issue_key("billing", "backend", BOTH, NOW + DAY)
    manual.move(DAY - timedelta(seconds=1))
    assert is_good(secret)

    manual.move(timedelta(seconds=1))

    assert not is_good(secret)


def test_a_revoked_key_stops_at_once(using: str) -> None:
    key, secret = issue_key("billing", "backend", BOTH)
    assert is_good(secret)

    revoke_key(key.prefix, actor="anna")

    assert not is_good(secret)
    assert revoke_key(key.id).revoked_at == NOW


def test_another_process_follows_a_revocation_within_two_seconds(
    using: str, manual: ManualClock
) -> None:
    key, secret = issue_key("billing", "backend", BOTH)
    assert is_good(secret)

    api_keys.revoke(using, key.id, NOW, "another process")

    manual.move(timedelta(seconds=REMEMBERED_SECONDS))
    assert not is_good(secret)


def test_two_keys_are_valid_during_a_rotation_and_then_the_new_one(
    using: str, manual: ManualClock
) -> None:
    old, old_secret = issue_key("billing", "backend", BOTH)
    assert is_good(old_secret)

    new, new_secret = rotate_key(old.prefix, overlap=DAY, actor="anna")

    assert (new.service, new.name, new.scopes) == (old.service, old.name, old.scopes)
    assert [is_good(old_secret), is_good(new_secret)] == [True, True]
    manual.move(DAY)
    assert [is_good(old_secret), is_good(new_secret)] == [False, True]


def test_a_rotation_never_makes_the_old_key_live_longer(using: str) -> None:
    old, _ = issue_key("billing", "backend", BOTH, NOW + DAY)

    new, _ = rotate_key(old.id, overlap=30 * DAY)

    assert [key.expires_at for key in list_keys("billing")] == [NOW + DAY, NOW + DAY]
    assert new.expires_at == NOW + DAY


def test_a_rotation_without_overlap_ends_the_old_key_at_once(using: str) -> None:
    old, secret = issue_key("billing", "backend", BOTH)
    assert is_good(secret)

    rotate_key(old.prefix, overlap=timedelta(0))

    assert not is_good(secret)


def test_a_key_that_is_not_valid_is_not_rotated(using: str, manual: ManualClock) -> None:
    revoked, _ = issue_key("billing", "a", BOTH)
    expired, _ = issue_key("billing", "b", BOTH, NOW + DAY)
    revoke_key(revoked.prefix)
    manual.move(DAY)

    with pytest.raises(KeyConflict, match="is revoked; issue a new one"):
        rotate_key(revoked.prefix)
    with pytest.raises(KeyConflict, match="is expired"):
        rotate_key(expired.prefix)
    with pytest.raises(KeyNotFound):
        revoke_key("0000000000")
    assert len(list_keys()) == 2


def test_whole_keys_given_by_mistake_are_not_repeated(using: str) -> None:
    _, secret = issue_key("billing", "backend", BOTH)

    with pytest.raises(KeyNotFound) as caught:
        revoke_key(secret)

    assert secret[:20] not in str(caught.value)


def test_the_last_use_is_written_at_most_once_a_minute(
    using: str, manual: ManualClock, django_assert_num_queries: Any
) -> None:
    _, secret = issue_key("billing", "backend", BOTH)
    assert is_good(secret)
    manual.move(timedelta(seconds=30))
    with django_assert_num_queries(1, using=using):
        assert is_good(secret)
    with django_assert_num_queries(0, using=using):
        assert is_good(secret)
    assert ApiKey.objects.using(using).get().last_used_at == NOW

    manual.move(timedelta(seconds=30))
    assert is_good(secret)

    assert ApiKey.objects.using(using).get().last_used_at == NOW + timedelta(minutes=1)


def test_every_change_is_in_the_ledger_with_its_actor_and_without_the_key(using: str) -> None:
    old, old_secret = issue_key("billing", "backend", BOTH, actor="anna")
    new, new_secret = rotate_key(old.prefix, actor="ben")
    revoke_key(new.prefix, actor="cleo")
    revoke_key(new.prefix, actor="cleo")

    entries = list(LedgerEntry.objects.using(using).order_by("id"))
    told = [(entry.fact, entry.actor, (entry.data or {})["prefix"]) for entry in entries]
    assert told == [
        ("key_issued", "anna", old.prefix),
        ("key_rotated", "ben", old.prefix),
        ("key_issued", "ben", new.prefix),
        ("key_revoked", "cleo", new.prefix),
    ]
    text = repr([entry.data for entry in entries])
    for key, secret in ((old, old_secret), (new, new_secret)):
        assert secret.rpartition("_")[2] not in text
        assert key.digest not in text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param(("", "n", BOTH), "service must be 1 to 100", id="no-service"),
        pytest.param(("s", "n" * 101, BOTH), "name must be 1 to 100", id="long-name"),
        pytest.param(("duly", "n", BOTH), "service 'duly' is duly's own", id="own"),
        pytest.param(("s", "a\nb", BOTH), "name holds characters", id="line-break"),
        pytest.param(("s", "n", []), "scopes must be one or more of read", id="no-scope"),
        pytest.param(("s", "n", "read"), "scopes must be one or more", id="text"),
        pytest.param(("s", "n", ["root"]), "scope must be one of .*'root'", id="unknown-scope"),
        pytest.param(("s", "n", BOTH, NOW), "must be in the future", id="expired"),
        pytest.param(("s", "n", BOTH, datetime(2099, 1, 1)), "expires must be aware", id="naive"),
    ],
)
def test_a_key_that_could_not_work_is_not_issued(using: str, arguments: Any, problem: str) -> None:
    with pytest.raises(InvalidKey, match=problem):
        issue_key(*arguments)

    assert list_keys() == []
