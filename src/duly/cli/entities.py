"""`--entity type:id`: what events are about, as the command line names it."""

from __future__ import annotations

from duly.errors import InvalidEvent


def read_entity(text: str | None) -> tuple[str, str] | None:
    """Read `appointment:42`; the id may hold further colons. Raises InvalidEvent."""
    if text is None:
        return None
    kind, colon, id_ = text.partition(":")
    if not (kind and colon and id_):
        raise InvalidEvent(f"--entity must be TYPE:ID such as appointment:42, got {text!r}")
    return kind, id_


def entity_text(entity_type: str, entity_id: str) -> str:
    """Show an entity as `read_entity` reads it; "" for none."""
    return f"{entity_type}:{entity_id}" if entity_type else ""
