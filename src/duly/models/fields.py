"""Columns that hold what Django has no field for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.query_utils import DeferredAttribute

from duly import encryption, payloads
from duly.encryption import Binding

if TYPE_CHECKING:
    _CharField = models.CharField[datetime | None, datetime | None]
    _TextField = models.Field[Any, Any]

    class _JSONField(models.Field[Any, Any]):
        def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any: ...
else:
    _CharField, _TextField, _JSONField = models.CharField, models.TextField, models.JSONField

# Judged where it came in.
_ANY_SIZE = 2**31


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


class SealedValue:
    """An encrypted value as it is stored; opened when it is first read, and never shown."""

    __slots__ = ("envelope", "text")

    def __init__(self, envelope: str) -> None:
        self.envelope = envelope
        self.text: str | None = None

    def open(self, binding: Binding) -> Any:
        """Give the value. Raises UnreadablePayload."""
        if self.text is None:
            self.text = encryption.keyring.open(self.envelope, binding)
        return payloads.decode(self.text)

    def __repr__(self) -> str:
        return "<encrypted>"


class SealedAttribute(DeferredAttribute):
    """A column that may be encrypted: what nobody reads needs no key.

    Its model says by `binding` where an envelope of it is good, and by `key_owners` the
    services of whose keys the first there are encrypt it.
    """

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        name = self.field.attname
        value = super().__get__(instance, cls)
        if isinstance(value, SealedValue):
            # From now on as if it were plain: what a caller changes in it is stored.
            instance.__dict__[name] = opened = value.open(instance.binding)
            instance.__dict__[f"_sealed_{name}"] = value
            return opened
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value

    def envelope(self, instance: Any) -> str | None:
        """Give what is to be stored of a row; None where that is plain."""
        name = self.field.attname
        value = instance.__dict__.get(name)
        if isinstance(value, SealedValue):
            return value.envelope
        before = instance.__dict__.get(f"_sealed_{name}")
        if value is None or isinstance(value, EncodedPayload):
            return None
        if before is None and not encryption.keyring.boxes:
            return None
        box = encryption.keyring.box_of(instance.key_owners)
        if before is None and box is None:
            return None
        text = payloads.encode(value, _ANY_SIZE)
        if before is not None and before.text == text:
            return str(before.envelope)
        return None if box is None else box.seal(text, instance.binding)


def as_stored(row: Any) -> Any:
    """Give the payload of an event for an occurrence of it, without opening it."""
    if "payload" not in row.__dict__:
        row.refresh_from_db(fields=["payload"])
    return row.__dict__["payload"]


def is_hidden(row: Any, name: str = "payload") -> bool:
    """Say whether a column of a row is encrypted, or is to be."""
    value, before = row.__dict__.get(name), row.__dict__.get(f"_sealed_{name}")
    is_sealed = isinstance(value, SealedValue) or before is not None
    return is_sealed or encryption.keyring.box_of(row.key_owners) is not None


class PayloadField(_TextField):
    """A payload: any JSON value, stored as the text that `duly.payloads` makes, or its envelope.

    The text is made, and its size judged, where the payload comes in; this field only
    decodes, and encodes without a size limit what Django itself writes.
    """

    descriptor_class = SealedAttribute

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        if value is None:
            return None
        return SealedValue(value) if encryption.is_sealed(value) else payloads.decode(value)

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        envelope = getattr(type(model_instance), self.attname).envelope(model_instance)
        if envelope is not None:
            return EncodedPayload(envelope)
        return super().pre_save(model_instance, add)

    def get_prep_value(self, value: Any) -> Any:
        is_text = isinstance(value, EncodedPayload)
        return value.text if is_text else payloads.encode(value, _ANY_SIZE)


class ContextField(_JSONField):
    """A dict of JSON values; where it is encrypted, the text of its envelope stands for it."""

    descriptor_class = SealedAttribute

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        found = super().from_db_value(value, expression, connection)
        is_envelope = isinstance(found, str) and encryption.is_sealed(found)
        return SealedValue(found) if is_envelope else found

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        envelope = getattr(type(model_instance), self.attname).envelope(model_instance)
        return super().pre_save(model_instance, add) if envelope is None else envelope

    def deconstruct(self) -> Any:
        name, _, arguments, options = super().deconstruct()
        # To the database, and its migrations, it is what it extends.
        return name, "django.db.models.JSONField", arguments, options


class EncodedPayload:
    """Payload text that is stored as it is."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text
