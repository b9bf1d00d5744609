"""Identifiers that sort by the time they were made."""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from uuid import UUID

# 19 are used: 12 bits, the variant's digit, and 60 bits.
_RANDOM_DIGITS = 20
# Of a random digit the two upper bits give way to the variant's, which are 10.
_VARIANT = {f"{digit:x}": f"{digit & 3 | 8:x}" for digit in range(16)}


def new_id(now: datetime) -> UUID:
    """Make a UUID version 7: 48 bits of milliseconds, then 74 random bits.

    Neighbours in time are neighbours in the index, so that inserts touch few pages.
    Source: RFC 9562 section 5.7.
    """
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10))
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def new_ids(now: datetime, count: int) -> list[str]:
    """Make many of them at once, ascending, as 32 hexadecimal digits.

    Ascending, so that a bulk is added at the end of the index, and reads in the order in
    which it was given.
    """
    milliseconds = f"{int(now.timestamp() * 1000) & ((1 << 48) - 1):012x}7"
    digits = secrets.token_hex(_RANDOM_DIGITS // 2 * count)
    drawn = (digits[at : at + _RANDOM_DIGITS] for at in range(0, len(digits), _RANDOM_DIGITS))
    return sorted(
        f"{milliseconds}{random[:3]}{_VARIANT[random[3]]}{random[4:19]}" for random in drawn
    )


def first_id(at: datetime) -> UUID:
    """Give the smallest identifier that `new_id` can make at an instant."""
    return UUID(int=(int(at.timestamp() * 1000) & ((1 << 48) - 1)) << 80 | 0x7 << 76 | 0x2 << 62)
