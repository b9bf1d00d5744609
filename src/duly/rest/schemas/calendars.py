"""Calendar links: what is asked for, and what is answered."""

from __future__ import annotations

from pydantic import Field

from duly.rest.schemas.base import Body, Instant, Shown


class NewCalendarLink(Body):
    """Whose calendar a link is to lead to."""

    entity_type: str | None = Field(
        None, min_length=1, max_length=100, description='"entity" where there is only an id.'
    )
    entity_id: str = Field(min_length=1, max_length=200)
    service_id: str | None = Field(None, description="The caller's own, which it is without.")
    expires_in_days: int = Field(365, ge=1, le=3660)


class CalendarLink(Shown):
    """A link to a calendar; whoever has it sees the calendar."""

    url: str
    expires_at: Instant


class RevokedLinks(Body):
    """Which links are to hold no more: those to one entity's calendar, or all of the service."""

    entity_type: str | None = Field(None, min_length=1, max_length=100)
    entity_id: str | None = Field(None, min_length=1, max_length=200)
    service_id: str | None = Field(None, description="The caller's own, which it is without.")
