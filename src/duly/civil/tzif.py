"""The transitions of a time zone, read from its TZif data.

`zoneinfo` computes offsets from the same bytes but does not show its transitions.
Source: RFC 9636 (TZif), sections 3.1 and 3.2.
"""

from __future__ import annotations

import struct

_HEADER = struct.Struct(">4s1s15x6I")


def offset_changes(data: bytes) -> tuple[list[int], bool]:
    """Give the explicit transition times of a TZif file, and whether its footer adds more.

    The times are in seconds since 1970, ascending. The footer is a rule for all time after
    the last of them; one without a comma names a single offset.
    Raises ValueError for data that is not TZif of version 2 or later.
    """
    version, counts = _header(data, 0)
    if version < b"2":
        raise ValueError("TZif data of version 1, which ends in 2037")
    # The first block repeats the second in 32 bits: skip it.
    start = _HEADER.size + _block_size(counts, 4)
    _, counts = _header(data, start)
    times = counts[3]
    body = start + _HEADER.size
    footer = data[body + _block_size(counts, 8) :]
    return list(struct.unpack_from(f">{times}q", data, body)), b"," in footer


def _header(data: bytes, start: int) -> tuple[bytes, tuple[int, ...]]:
    try:
        magic, version, *counts = _HEADER.unpack_from(data, start)
    except struct.error:
        magic = b""
    if magic != b"TZif":
        raise ValueError("not TZif data")
    return version, tuple(counts)


def _block_size(counts: tuple[int, ...], time_size: int) -> int:
    isut, isstd, leap, times, types, chars = counts
    return times * (time_size + 1) + types * 6 + chars + leap * (time_size + 4) + isstd + isut
