"""From the JSON object of a request to changes of an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from duly.civil.rules import Rule
from duly.models import ScheduledEvent
from duly.operations import Amendments
from duly.policy.handling import Handling
from duly.rest.new_events import TIMING, read_context, read_rule, unknown
from duly.rest.policies import HANDLING, read_handling
from duly.rest.problems import invalid

FIELDS = HANDLING | TIMING | {"payload", "on_tzdata_change"}


@dataclass(frozen=True, slots=True)
class Patch:
    """Another rule, or None, and what else is to be another."""

    rule: Rule | None
    changes: Amendments


def read_patch(data: Any, event: ScheduledEvent) -> Patch:
    """Read what of an event is to be another. Raises Problem."""
    _check_object(data, FIELDS, "an event that can be changed")
    context = read_context(data.get("timezone_context"))
    changes: Amendments = {}
    if context.resource is not None:
        changes["resource_timezone"] = context.resource
    if context.user is not None:
        changes["user_timezone"] = context.user
    if "payload" in data:
        changes["payload"] = data["payload"]
    if "on_tzdata_change" in data:
        policy = data["on_tzdata_change"]
        changes["on_tzdata_change"] = "keep_wall" if policy is None else policy
    if not data.keys().isdisjoint(HANDLING):
        changes["handling"] = read_handling(data, Handling.from_json(event.handling))
    rule = None
    if "scheduled_time" in data or "schedule" in data:
        rule = read_rule(data, context.execution or event.execution_timezone)
    elif context.execution is not None and context.execution != event.execution_timezone:
        raise invalid(
            "timezone_context.execution_timezone",
            context.execution,
            "must stand beside scheduled_time or schedule, which say when by it",
        )
    return Patch(rule, changes)


def read_timing(data: Any, zone: str | None, also: frozenset[str] = frozenset()) -> Rule:
    """Read a rule on its own.

    zone: the execution timezone where the object names none. also: what else may stand there.
    Raises Problem.
    """
    _check_object(data, TIMING | also, "a rule")
    context = read_context(data.get("timezone_context"))
    return read_rule(data, context.execution or context.resource or zone)


def _check_object(data: Any, fields: frozenset[str], what: str) -> None:
    if type(data) is not dict:
        raise invalid("body", data, "must be an object")
    if not data.keys() <= fields:
        raise unknown(data, fields, what)
