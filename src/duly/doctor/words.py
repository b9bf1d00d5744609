"""Sizes and spans of time, as a person reads them."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def span(length: timedelta) -> str:
    """Say how long, in its two largest units: "2 d 3 h"; below ten seconds with fractions."""
    seconds = length.total_seconds()
    if seconds < 10:
        return f"{seconds:.3g} s"
    whole, parts = round(seconds), []
    for unit, of_unit in _UNITS:
        count, whole = divmod(whole, of_unit)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def size(taken: float) -> str:
    """Say how many bytes: "3.4 MiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if taken < 1024:
            return f"{taken:.3g} {unit}"
        taken /= 1024
    return f"{taken:.3g} TiB"
