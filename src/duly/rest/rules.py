"""Rules that belong to no event yet: when they fire, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from duly import clock
from duly.civil import preview as previewing
from duly.civil.at import At
from duly.civil.explain import explain
from duly.civil.instants import EARLIEST, Instant, as_instant
from duly.conf import config
from duly.errors import InvalidRule
from duly.policy.scopes import Scope
from duly.rest import shown
from duly.rest.described import body_as
from duly.rest.firings import due_data
from duly.rest.guard import needs
from duly.rest.json_body import body_of
from duly.rest.patches import read_timing
from duly.rest.problems import invalid, naming, reading
from duly.rest.schedules import read_aware
from duly.rest.schemas import changes as schemas

router = Router(tags=["rules"])

MOST = 1000


@router.post(
    "rules/preview",
    response=schemas.Preview,
    summary="Preview a rule",
    openapi_extra=body_as("PreviewRequest"),
)
@needs(Scope.READ)
def preview_rule(request: HttpRequest) -> HttpResponse:
    """Give the next firings of a rule, marked where the clocks change; schedules nothing."""
    data = body_of(request)
    rule = read_timing(data, None, frozenset({"after", "n"}))
    n = data.get("n", 10)
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST:
        raise invalid("n", n, f"must be a whole number, 1 to {MOST}")
    after = _after(data)
    with reading(data):
        anchored = rule.anchored(after)
        firings = previewing.preview(anchored, n, after=after)
    return shown.answer(
        {
            "rule": anchored.to_json(),
            "description": anchored.describe(),
            "firings": [{**due_data(one.due), "clock_change": one.clock_change} for one in firings],
        }
    )


@router.post(
    "rules/explain",
    response=schemas.Explanation,
    summary="Explain a rule",
    openapi_extra=body_as("RuleRequest"),
)
@needs(Scope.READ)
def explain_rule(request: HttpRequest) -> HttpResponse:
    """Say why the next firing of a rule is when it is; a one-off is explained even if it passed."""
    data = body_of(request)
    rule = read_timing(data, None, frozenset({"after"}))
    after = _after(data)
    with naming("after", data.get("after")):
        anchored = rule.anchored(after)
        due = anchored.next(EARLIEST if isinstance(anchored, At) else after)
        if due is None:
            raise InvalidRule(f"{anchored.describe()} does not fire after {after.isoformat()}")
    return shown.answer(explain(due, anchored).to_json())


def _after(data: dict[str, Any]) -> Instant:
    given = data.get("after")
    moment: datetime = clock.now(config().database)
    if given is not None:
        moment = read_aware("after", given)
    with naming("after", given):
        return as_instant(moment)
