"""When events are due, and the file that carries it to a peer's process."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable
from pathlib import Path


def at_random(count: int, start: float, seconds: float, seed: int) -> list[float]:
    """Give `count` random instants from `start` on, ascending; the same ones for a seed.

    Whole microseconds, which is what every peer can store.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    return sorted(round(start + chance.random() * seconds, 6) for _ in range(count))


def write(path: Path, dues: Iterable[float]) -> None:
    """Write POSIX seconds."""
    path.write_bytes(array("d", dues).tobytes())


def read(path: str) -> list[float]:
    """Read what `write` wrote."""
    found = array("d")
    found.frombytes(Path(path).read_bytes())
    return found.tolist()
