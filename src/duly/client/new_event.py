"""What shall happen, before it is scheduled; and the JSON that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict
from uuid import UUID

from duly.client.calls import given, new_key
from duly.client.times import Rule, seconds, timing

Entity = tuple[str, object] | str | int | UUID
"""(type, id), or an id alone, whatever its type."""
OnConflict = Literal["match", "replace", "keep", "raise"]


class EventOptions(TypedDict, total=False):
    """The fields of `NewEvent` that may be left out."""

    timezone: str
    entity: Entity | None
    payload: Any
    key: str | None
    on_conflict: OnConflict | None
    service: str
    user_timezone: str
    resource_timezone: str
    max_retries: int | None
    retry_delay: timedelta | float | None
    timeout: timedelta | float | None
    policies: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What shall happen, and when.

    type: in any case: `APPOINTMENT_REMINDER` is `appointment_reminder`.
    when: an aware datetime is that instant; a naive one is civil time in `timezone`; or a rule:
        `duly.At`, `Cron`, `RRule`, `Every`, the JSON form of one, or a structured recurrence,
        {"frequency": "weekly", …}, that begins at `start`.
    timezone: an IANA name: where the event takes place in time (the execution timezone).
    entity: what it is about: (type, id), or an id alone.
    payload: any JSON value.
    key: what you call it, at most 200 characters. Scheduled again with the same content, it is
        the event that is there; with other content, what `on_conflict` says. Without a key one
        is made, so that a request that is tried again schedules one event.
    on_conflict: "match" refuses other content under a known key, "replace" reschedules, "keep"
        leaves what is there, "raise" refuses even the same; None: as the service has it.
    service: owner of the event; without one, the service of the key or the token.
    user_timezone, resource_timezone: IANA names, kept so that it can be explained in them.
    max_retries: attempts after the first. retry_delay: seconds or a timedelta before the second.
    timeout: how long one attempt may take.
    policies: further fields of the request, such as {"catch_up": "all", "priority": 3}.

    Raises ValueError for what could not be sent; the service checks the rest.
    """

    type: str
    when: datetime | Rule | Mapping[str, Any]
    timezone: str = ""
    entity: Entity | None = None
    payload: Any = None
    key: str | None = None
    on_conflict: OnConflict | None = None
    service: str = ""
    user_timezone: str = ""
    resource_timezone: str = ""
    max_retries: int | None = None
    retry_delay: timedelta | float | None = None
    timeout: timedelta | float | None = None
    policies: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        timing(self.when, self._zones())

    def to_json(self) -> dict[str, Any]:
        """Give the body of the request."""
        kind, id_ = entity_of(self.entity)
        return {
            "type": self.type,
            **timing(self.when, self._zones()),
            **given(
                service_id=self.service or None,
                entity_id=id_,
                entity_type=kind,
                payload=self.payload,
                id=self.key,
                on_conflict=self.on_conflict,
                max_retries=self.max_retries,
                retry_delay_seconds=seconds(self.retry_delay),
                timeout_seconds=seconds(self.timeout),
            ),
            **(self.policies or {}),
        }

    def with_key(self) -> NewEvent:
        """Give it with a key: its own, or a new one."""
        return self if self.key is not None else replace(self, key=new_key())

    def _zones(self) -> dict[str, str]:
        return given(
            execution_timezone=self.timezone or None,
            user_timezone=self.user_timezone or None,
            resource_timezone=self.resource_timezone or None,
        )


def entity_of(entity: Entity | None) -> tuple[str | None, str | None]:
    """Give an entity's type, if one is named, and its id."""
    match entity:
        case None:
            return None, None
        case (kind, id_):
            return str(kind), str(id_)
    return None, str(entity)
