"""Identifiers that sort by the time they were made."""

from __future__ import annotations

import os
from datetime import datetime
from uuid import UUID


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


def first_id(at: datetime) -> UUID:
    """Give the smallest identifier that `new_id` can make at an instant."""
    return UUID(int=(int(at.timestamp() * 1000) & ((1 << 48) - 1)) << 80 | 0x7 << 76 | 0x2 << 62)
