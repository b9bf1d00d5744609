"""Shut: the breakers that this process knows to be open, for what has been started ahead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Shut:
    """The names of gates with an open breaker, as this process last heard of them.

    What was let in before and has not begun is given back. The database alone lets in; here
    it is only remembered for how long nobody was.
    """

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()

    def saw(self, is_open: Mapping[str, bool]) -> None:
        """Remember of each gate whether its breaker is open."""
        opened = {name for name, shut in is_open.items() if shut}
        self._names = (self._names - is_open.keys()) | opened

    def let_in(self, names: Iterable[str]) -> None:
        """Remember that these gates have been passed."""
        if self._names:
            self._names -= set(names)

    def keeps_out(self, names: Iterable[str]) -> bool:
        """Say whether one of these is not to be passed."""
        return not self._names.isdisjoint(names)
