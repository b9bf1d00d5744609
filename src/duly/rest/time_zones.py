"""Time zones side by side."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router

from duly import scheduling
from duly.civil import contexts
from duly.policy.scopes import Scope
from duly.rest import shown
from duly.rest.guard import needs
from duly.rest.new_events import check_zone
from duly.rest.problems import naming
from duly.rest.schedules import read_aware, read_moment
from duly.rest.schemas.time_zones import (
    ConvertAnswer,
    ConvertRequest,
    ValidateAnswer,
    ValidateRequest,
)

router = Router(tags=["time zones"])


@router.post(
    "events/timezone/convert", response=ConvertAnswer, summary="Read a moment in other zones"
)
@needs(Scope.READ)
def convert_time(request: HttpRequest, body: ConvertRequest) -> HttpResponse:
    """Read one moment in up to 1,000 zones."""
    if body.from_timezone is not None:
        check_zone("from_timezone", body.from_timezone)
    for index, zone in enumerate(body.to_timezones):
        check_zone(f"to_timezones.{index}", zone)
    moment = read_moment("time", body.time)
    with naming("time", body.time):
        found = contexts.convert(
            moment,
            body.to_timezones,
            from_timezone=body.from_timezone,
            gap=body.gap,
            fold=body.fold,
        )
    return shown.answer(found.to_json() | {"original_time": body.time})


@router.post("events/timezone/validate", response=ValidateAnswer, summary="Compare two zones")
@needs(Scope.READ)
def validate_time_zones(request: HttpRequest, body: ValidateRequest) -> HttpResponse:
    """Say what differs between two zones; an unknown one is a warning, and not compatible."""
    at = None if body.at is None else read_aware("at", body.at)
    field, value = ("at", body.at) if body.local_time is None else ("local_time", body.local_time)
    with naming(field, value):
        found = scheduling.validate(
            body.resource_timezone,
            body.user_timezone,
            at=at,
            local=body.local_time,
            execution_timezone=body.execution_timezone,
        )
    return shown.answer(found.to_json())
