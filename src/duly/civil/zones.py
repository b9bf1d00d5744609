"""The time zones in use: of which copy of the data, and of which release."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from duly.civil.tzdata import WHEEL, Zone, ZoneDatabase, signature
from duly.errors import DulyError

_current: ZoneDatabase | None = None
_seen = ""
_other: ContextVar[ZoneDatabase | None] = ContextVar("duly_zone_database", default=None)


def current() -> ZoneDatabase:
    """Give the database in use: the tzdata package, unless another was chosen."""
    return _other.get() or _current or use(WHEEL)


def use(source: str) -> ZoneDatabase:
    """Choose the database; see ZoneDatabase for `source`. Raises ConfigurationError."""
    global _current
    if _current is None or _current.source != source:
        _current = ZoneDatabase(source)
    return _current


def refresh() -> bool:
    """Read the database in use anew if it was upgraded meanwhile; say whether it was.

    An upgrade writes hundreds of files: it is taken for finished when two calls in a row
    see the same. Until then, and where the new files cannot be read, the old data stays.
    """
    global _current, _seen
    in_use = _current or use(WHEEL)
    try:
        found = signature(in_use.folder)
        if found == in_use.signature:
            return False
        if found != _seen:
            _seen = found
            return False
        _current = ZoneDatabase(in_use.source)
    except (OSError, DulyError):
        return False
    return True


def is_changing() -> bool:
    """Say whether the last `refresh` saw other files, and left it to the next to read them."""
    return _current is not None and _seen not in ("", _current.signature)


@contextmanager
def reading(database: ZoneDatabase) -> Iterator[None]:
    """Compute with another database within a block, in this thread or task alone."""
    token = _other.set(database)
    try:
        yield
    finally:
        _other.reset(token)


def get_zone(name: str) -> Zone:
    """Give a zone of the database in use. Raises UnknownZone."""
    return current().zone(name)
