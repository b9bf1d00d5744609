"""From the JSON object of a request to a new event: one reader, for one as for thousands.

Read by hand rather than by a model of pydantic, so that a bulk takes microseconds for each, and
a refusal names the field, its value and the rule, in a bulk as for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from duly.access.caller import Caller
from duly.civil import zones
from duly.civil.rules import Rule
from duly.errors import DulyError
from duly.intake import NewEvent
from duly.policy.handling import DEFAULT, Handling
from duly.rest.headers import unquoted
from duly.rest.policies import HANDLING, read_handling
from duly.rest.problems import Problem, invalid, of_error
from duly.rest.schedules import read_contract_rule, read_schedule
from duly.scheduling import OnConflict

DEFAULT_ENTITY_TYPE = "entity"
"""Of an entity that is named by its id alone."""
_CONTEXT = frozenset({"resource_timezone", "user_timezone", "execution_timezone"})
_CONTRACT_TIME = frozenset({"scheduled_time", "recurrence", "gap", "fold"})
TIMING = _CONTRACT_TIME | {"schedule", "timezone_context"}
"""The fields that say when."""
FIELDS = (
    frozenset(
        [
            "type",
            "service_id",
            "entity_id",
            "entity_type",
            "payload",
            "id",
            "on_tzdata_change",
            "on_conflict",
        ]
    )
    | TIMING
    | HANDLING
)
_ON_CONFLICT = frozenset(get_args(OnConflict))


@dataclass(frozen=True, slots=True)
class Context:
    """The zones that a request names."""

    execution: str | None = None
    resource: str | None = None
    user: str | None = None


_NO_CONTEXT = Context()


class Reader:
    """Reads the new events of one request."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._zones: set[str] = set()
        self._handlings: dict[tuple[Any, ...], Handling] = {}

    def read(self, data: Any, header_key: str | None = None) -> tuple[NewEvent, OnConflict]:
        """Give the event that an object says, and what to do where its key exists.

        header_key: of the header Idempotency-Key. Raises Problem.
        """
        if type(data) is not dict:
            raise invalid("body", data, "must be an object that says one event")
        if not data.keys() <= FIELDS:
            raise unknown(data, FIELDS, "an event")
        event_type = data.get("type")
        if not isinstance(event_type, str):
            raise invalid("type", event_type, "must be the name of an event type")
        context = read_context(data.get("timezone_context"), self._zones)
        new = NewEvent(
            event_type,
            read_rule(data, context.execution or context.resource),
            payload=data.get("payload"),
            entity=_entity(data),
            key=_key(data.get("id"), header_key),
            service=self._service(data.get("service_id")),
            user_timezone=context.user or "",
            resource_timezone=context.resource or "",
            on_tzdata_change=_given(data, "on_tzdata_change", "keep_wall"),
            handling=self._handling(data),
        )
        return new, _on_conflict(data)

    def _service(self, given: Any) -> str:
        own = self._caller.service
        if given is None or given == own:
            return own
        if not isinstance(given, str):
            raise invalid("service_id", given, "must be the name of a service")
        if not self._caller.sees_all:
            raise foreign_service(given)
        return given

    def _handling(self, data: dict[str, Any]) -> Handling:
        if data.keys().isdisjoint(HANDLING):
            return DEFAULT
        given = {name: data[name] for name in data.keys() & HANDLING}
        try:
            sign: tuple[Any, ...] = tuple(
                (name, type(given[name]), given[name]) for name in sorted(given)
            )
            found = self._handlings.get(sign)
            if found is None:
                found = self._handlings[sign] = read_handling(given)
        except TypeError:
            return read_handling(given)
        return found


def read_context(given: Any, known: set[str] | None = None) -> Context:
    """Read the zones of a `timezone_context`.

    known: zones that have been checked; those that are checked here are added. Raises Problem.
    """
    if given is None:
        return _NO_CONTEXT
    if type(given) is not dict:
        raise invalid("timezone_context", given, "must be an object of IANA names")
    if not given.keys() <= _CONTEXT:
        name = min(given.keys() - _CONTEXT)
        names = ", ".join(sorted(_CONTEXT))
        raise invalid(f"timezone_context.{name}", given[name], f"is none of {names}")
    known = set() if known is None else known
    for name, zone in given.items():
        if zone is None or zone == "":
            continue
        if not isinstance(zone, str):
            field = f"timezone_context.{name}"
            raise invalid(field, zone, "must be an IANA name such as Europe/Berlin")
        if zone not in known:
            check_zone(f"timezone_context.{name}", zone)
            known.add(zone)
    return Context(
        given.get("execution_timezone") or None,
        given.get("resource_timezone") or None,
        given.get("user_timezone") or None,
    )


def check_zone(field: str, zone: str) -> None:
    """Refuse a zone that the time zone data does not hold. Raises Problem."""
    try:
        zones.get_zone(zone)
    except DulyError as error:
        raise of_error(error, field=field, value=zone) from None


def foreign_service(given: str) -> Problem:
    """Say that a caller acts for its own service only."""
    return Problem(
        403,
        "Forbidden",
        "service_id must be the caller's own service, unless it has the scope admin; leave it out",
        kind="foreign-service",
        field="service_id",
        value=given,
        rule="service_id must be the caller's own service",
    )


def read_rule(data: dict[str, Any], zone: str | None) -> Rule:
    """Give the rule that the fields of a request say.

    zone: the execution timezone, None where none is named. Raises Problem.
    """
    if "schedule" not in data:
        if "scheduled_time" not in data:
            raise invalid("scheduled_time", None, "must be given, or schedule instead of it")
        return read_contract_rule(data, zone)
    if extra := data.keys() & _CONTRACT_TIME:
        name = min(extra)
        raise invalid(name, data[name], "does not go with schedule, which says when by itself")
    return read_schedule(data["schedule"], zone)


def _entity(data: dict[str, Any]) -> tuple[str, object] | None:
    id_, kind = data.get("entity_id"), data.get("entity_type")
    if id_ is None:
        if kind is not None:
            raise invalid("entity_id", None, "must be given where entity_type is")
        return None
    if isinstance(id_, bool) or not isinstance(id_, (str, int)):
        raise invalid("entity_id", id_, "must be text, or a whole number")
    if kind is None:
        return DEFAULT_ENTITY_TYPE, id_
    if not isinstance(kind, str):
        raise invalid("entity_type", kind, "must be text")
    return kind, id_


def _key(given: Any, header: str | None) -> str | None:
    if given is not None and not isinstance(given, str):
        raise invalid("id", given, "must be text")
    if header is None:
        return given
    bare = unquoted(header)
    if given is not None and given != bare:
        raise invalid("Idempotency-Key", bare, f"must be the id of the body, {given!r:.60}")
    return bare


def _given(data: dict[str, Any], field: str, default: Any) -> Any:
    value = data.get(field)
    return default if value is None else value


def _on_conflict(data: dict[str, Any]) -> OnConflict:
    given = _given(data, "on_conflict", "match")
    if not isinstance(given, str) or given not in _ON_CONFLICT:
        known = ", ".join(sorted(_ON_CONFLICT))
        raise invalid("on_conflict", given, f"must be one of {known}")
    return given  # type: ignore[return-value]


def unknown(data: dict[str, Any], fields: frozenset[str], what: str) -> Problem:
    """Say that an object has a field that nobody would read."""
    name = min(data.keys() - fields)
    near = get_close_matches(name, fields, n=1)
    known = f"its fields are {', '.join(sorted(fields))}"
    hint = f"did you mean {near[0]!r}?" if near else known
    return Problem(
        422,
        "Invalid value",
        f"{what} has no field {name!r:.100}; {hint}",
        kind="unknown-field",
        field=name[:100],
        value=data[name],
        rule=known,
    )
