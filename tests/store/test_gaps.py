"""Ids of the ledger that were passed over come, or are given up once nobody can fill them."""

from __future__ import annotations

from collections.abc import Sequence

from duly.store.gaps import PROBATION_SECONDS, Gaps


class Transactions:
    """A judge, told which transactions are open: numbers, ascending."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.begun = 100

    def oldest(self) -> int:
        return min(self.open, default=self.begun)

    def next(self) -> int:
        return self.begun


class World:
    """Gaps over a ledger whose rows become visible when the test says so."""

    def __init__(self) -> None:
        self.transactions = Transactions()
        self.seconds = 0.0
        self.visible: set[int] = set()
        self.gaps = Gaps(self.transactions, lambda: self.seconds)

    def look(self) -> None:
        self.gaps.look(self.find)

    def find(self, pairs: Sequence[tuple[int, int]]) -> list[int]:
        return sorted(id_ for id_ in self.visible for low, high in pairs if low <= id_ <= high)


def test_a_gap_stays_open_as_long_as_a_transaction_from_before_it_is() -> None:
    world = World()
    world.transactions.open = {99}
    world.gaps.passed(10, [11, 14])

    for _ in range(5):
        world.seconds += 60
        world.look()

    assert world.gaps.ranges() == [(12, 13)]
    assert world.gaps.settled_to(14) == 11


def test_a_gap_closes_once_all_that_was_open_has_ended() -> None:
    world = World()
    world.gaps.passed(10, [13])
    world.seconds += PROBATION_SECONDS
    world.look()
    world.transactions.begun = 120
    world.transactions.open = {110}

    world.look()

    assert not world.gaps
    assert world.gaps.settled_to(13) == 13


def test_a_gap_is_not_closed_before_its_writer_must_be_known() -> None:
    world = World()
    world.gaps.passed(10, [13])

    world.look()
    world.look()

    assert world.gaps.ranges() == [(11, 12)]


def test_what_comes_late_parts_its_gap() -> None:
    world = World()
    world.gaps.passed(10, [20])
    world.visible = {13, 14, 19}

    world.look()

    assert world.gaps.ranges() == [(11, 12), (15, 18)]
    assert world.gaps.settled_to(20) == 10


def test_a_gap_behind_an_id_does_not_hold_it_back() -> None:
    world = World()

    world.gaps.passed(10, [11, 12, 20])

    assert world.gaps.settled_to(12) == 12
    assert world.gaps.settled_to(20) == 12
