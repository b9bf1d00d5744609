"""Seals: what was done to the ledger afterwards is found, and writers never wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from duly.models import LedgerEntry, LedgerSeal
from duly.store import facts, seals

pytestmark = pytest.mark.also_partitioned
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
EVENT = UUID("00000000-0000-4000-8000-000000000001")
SECOND = timedelta(seconds=1)


@pytest.fixture
def using(database: str) -> str:
    return database


def write(using: str, *ids: int, at: datetime = NOW) -> None:
    for id_ in ids:
        entry = facts.entry("due", at, EVENT, data={"n": id_})
        entry.id = id_
        entry.save(using=using, force_insert=True)


def sealed(using: str, now: datetime) -> list[LedgerSeal]:
    return list(iter(lambda: seals.seal(using, now), None))


def found(using: str) -> list[str]:
    return list(seals.verify_seals(using))


def test_what_is_older_than_a_minute_is_sealed_in_ranges_that_follow_each_other(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "LARGEST_RANGE", 3)
    write(using, 1, 2, 3, 4, 5)
    write(using, 6, at=NOW + 30 * SECOND)

    made = sealed(using, NOW + 61 * SECOND)

    assert [(one.first, one.last, one.rows) for one in made] == [(1, 3, 3), (4, 5, 2)]
    assert found(using) == []


def test_sealed_with_rests_it_is_what_it_would_have_been_at_once(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "LARGEST_RANGE", 5)
    monkeypatch.setattr(seals, "SLICE", 2)
    write(using, 1, 2, 4, 5, 6, 7)
    rests: list[float] = []

    one = seals.seal(using, NOW + 61 * SECOND, rests.append)

    assert one is not None
    assert (one.first, one.last, one.rows, one.gaps) == (1, 6, 5, [[3, 3]])
    assert len(rests) == 2
    assert found(using) == []


def test_a_row_that_comes_while_it_rests_is_sealed_by_the_next(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "SLICE", 2)
    write(using, 1, 3, 4)

    seals.seal(using, NOW + 61 * SECOND, lambda spent: write(using, 2))
    write(using, 5)
    two = seals.seal(using, NOW + 62 * SECOND)

    assert two is not None
    assert two.late == [2]
    assert found(using) == []


def test_a_row_that_is_younger_than_one_after_it_is_not_taken_for_inserted(using: str) -> None:
    write(using, 1)
    write(using, 2, at=NOW + 2 * SECOND)
    write(using, 3)

    (one,) = sealed(using, NOW + 61 * SECOND)
    assert (one.first, one.last) == (1, 1)
    assert found(using) == []

    (two,) = sealed(using, NOW + 63 * SECOND)
    assert (two.first, two.last, two.gaps) == (2, 3, [])
    assert found(using) == []


def test_a_row_from_a_clock_that_was_ahead_holds_nothing_up(using: str) -> None:
    write(using, 1, at=NOW + timedelta(days=1))
    write(using, 2)

    (one,) = sealed(using, NOW + 61 * SECOND)

    assert (one.first, one.last) == (1, 2)


def test_rows_that_never_came_are_gaps(using: str) -> None:
    write(using, 2, 3, 6)

    (one,) = sealed(using, NOW + 61 * SECOND)

    assert one.gaps == [[1, 1], [4, 5]]
    assert found(using) == []


def test_a_row_that_comes_late_is_sealed_with_a_later_range(using: str) -> None:
    write(using, 1, 3)
    sealed(using, NOW + 61 * SECOND)
    # Written by a transaction that took two minutes.
    write(using, 2)
    assert found(using) == ["seal 1: row 2 was not there, of 1", *found(using)[1:]] or found(using)
    write(using, 4, at=NOW + 120 * SECOND)

    (one,) = sealed(using, NOW + 200 * SECOND)

    assert one.late == [2]
    assert found(using) == []


def test_of_two_processes_that_seal_at_once_one_wins(using: str) -> None:
    write(using, 1)
    (one,) = sealed(using, NOW + 61 * SECOND)
    write(using, 2)
    twin = LedgerSeal(at=NOW, first=one.last + 1, last=2, rows=1, total="0", digest="0" * 64)
    twin.save(using=using)

    assert seals.seal(using, NOW + 61 * SECOND) is None


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        pytest.param(
            lambda rows: rows.filter(id=2).update(actor="nobody"), "not as they were", id="edited"
        ),
        pytest.param(
            lambda rows: rows.filter(id=2).update(data={"n": 3}), "not as they were", id="data"
        ),
        pytest.param(lambda rows: rows.filter(id=2).delete(), "row 2 is gone", id="deleted"),
        pytest.param(lambda rows: write(rows.db, 4, at=NOW), "row 4 was not there", id="inserted"),
        pytest.param(
            lambda rows: (rows.filter(id=1).update(fact="swap"), rows.filter(id=2).update(id=99)),
            "row 2 is gone",
            id="reordered",
        ),
    ],
)
def test_what_was_tampered_with_is_found(
    using: str, tamper: Callable[..., object], told: str
) -> None:
    write(using, 1, 2, 3, 5)
    sealed(using, NOW + 61 * SECOND)
    assert found(using) == []

    tamper(LedgerEntry.objects.using(using))

    assert any(told in one for one in found(using))


def test_a_seal_that_is_taken_out_is_found(using: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seals, "LARGEST_RANGE", 2)
    write(using, 1, 2, 3, 4, 5, 6)
    sealed(using, NOW + 61 * SECOND)

    LedgerSeal.objects.using(using).filter(first=3).delete()

    assert any("a seal is missing" in one for one in found(using))
