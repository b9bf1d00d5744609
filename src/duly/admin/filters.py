"""What a list is narrowed by: fields that live in its URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

from duly.errors import InvalidEvent

LONGEST = 200
SPANS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of the form above a list."""

    name: str
    label: str
    kind: Literal["text", "choice", "instant", "id"] = "text"
    choices: Sequence[tuple[str, str]] = ()
    hint: str = ""
    suggested: Callable[[], Sequence[str]] | None = None
    """What may be typed, as far as it is known without asking the table."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the URL of a list says."""

    values: Mapping[str, str]
    """By the names of the fields; what is not asked is not there."""
    errors: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """Give a value; empty: not asked."""
        return self.values.get(name, "")

    def instant(self, name: str) -> datetime | None:
        """Give an instant; None: not asked."""
        text = self.get(name)
        return read_instant(text) if text else None

    def uuid(self, name: str) -> UUID | None:
        """Give an id; None: not asked, or none."""
        return as_uuid(self.get(name))

    def query(self, **others: str) -> str:
        """Write it for a URL again, with what else is to be in there."""
        return urlencode(
            {**self.values, **{name: value for name, value in others.items() if value}}
        )


def read(fields: Sequence[Field], given: Mapping[str, str]) -> Asked:
    """Read the fields; one that cannot be read narrows nothing, and has its error said beside."""
    values: dict[str, str] = {}
    errors: dict[str, str] = {}
    for one in fields:
        text = str(given.get(one.name, "")).strip()
        if not text:
            continue
        try:
            values[one.name] = _checked(one, text)
        except InvalidEvent as error:
            errors[one.name] = str(error)
    return Asked(values, errors)


def _checked(one: Field, text: str) -> str:
    if len(text) > LONGEST or "\x00" in text:
        raise InvalidEvent(f"{one.label} must be a text of at most {LONGEST} characters")
    if one.kind == "instant":
        read_instant(text)
    elif one.kind == "id" and as_uuid(text) is None:
        raise InvalidEvent(f"{one.label} must be a UUID, got {text!r:.60}")
    elif one.kind == "choice" and text not in [value for value, _ in one.choices]:
        known = ", ".join(value for value, _ in one.choices)
        raise InvalidEvent(f"{one.label} must be one of {known}; got {text!r:.60}")
    return text


def read_instant(text: str) -> datetime:
    """Read an instant; one without an offset is in UTC, as the field says.

    Raises InvalidEvent.
    """
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidEvent(
            f"a time must be like 2026-10-25T00:00, in UTC, got {text!r:.60}"
        ) from None


def as_uuid(text: str) -> UUID | None:
    """Read an id; None for a text that is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def entity_of(text: str) -> tuple[str, str] | None:
    """Read `type:id`; None for a text that is none."""
    kind, colon, id_ = text.partition(":")
    return (kind, id_) if colon and kind and id_ else None
