"""Columns that hold what Django has no field for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models

from duly import payloads

if TYPE_CHECKING:
    _CharField = models.CharField[datetime | None, datetime | None]
    _TextField = models.Field[Any, Any]
else:
    _CharField, _TextField = models.CharField, models.TextField


class WallTimeField(_CharField):
    """A civil time: a naive datetime, stored as ISO 8601 text.

    Text, because a database's zone-less timestamp invites it to apply a zone of its own:
    kagkarlsson/db-scheduler#803 lost times in the server's own gap.
    """

    LENGTH = len("2026-03-29T02:30:00.000000")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = self.LENGTH
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return datetime.fromisoformat(value) if value else None

    def to_python(self, value: Any) -> Any:
        return datetime.fromisoformat(value) if isinstance(value, str) and value else value

    def get_prep_value(self, value: Any) -> Any:
        return value.isoformat() if isinstance(value, datetime) else value


class PayloadField(_TextField):
    """A payload: any JSON value, stored as the text that `duly.payloads` makes.

    The text is made, and its size judged, where the payload comes in; this field only
    decodes, and encodes without a size limit what Django itself writes.
    """

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return None if value is None else payloads.decode(value)

    def get_prep_value(self, value: Any) -> Any:
        return value.text if isinstance(value, EncodedPayload) else payloads.encode(value, 2**31)


class EncodedPayload:
    """Payload text that is stored as it is."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text
