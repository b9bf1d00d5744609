"""How far it is, in one line of the terminal that is written over."""

from __future__ import annotations

import sys


def progress(fired: int, events: int, elapsed: float) -> None:
    """Show how many have fired, if somebody looks on."""
    if sys.stderr.isatty():
        bar = "#" * (30 * fired // events)
        print(f"\r  [{bar:<30}] {fired}/{events} fired, {elapsed:4.1f} s", end="", file=sys.stderr)


def clear_progress() -> None:
    """Take the line away."""
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
