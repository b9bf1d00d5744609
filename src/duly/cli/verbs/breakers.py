"""`duly breakers`: which targets are asked, which are not, and to open or close one by hand."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import timedelta
from typing import Any

from duly import circuits, clock
from duly.cli.moments import span_text
from duly.cli.tables import table, visible
from duly.conf import config
from duly.policy.breaker import BreakerState

HEADS = ("breaker", "status", "failures in a row", "tried again")
ACTOR = "command line"


def perform(options: Namespace) -> int:
    """List the breakers, or steer one."""
    if options.open:
        circuits.open_breaker(options.open, actor=ACTOR)
    if options.close:
        circuits.close_breaker(options.close, actor=ACTOR)
    found = circuits.breakers()
    if options.json:
        print(json.dumps({name: _data(state) for name, state in found.items()}))
    elif found:
        print(table(HEADS, [_cells(name, state) for name, state in found.items()]))
    else:
        print("No breaker, limit or rate has been passed yet.")
    return 0


def _cells(name: str, state: BreakerState) -> tuple[str, ...]:
    return visible(name), state.status, str(state.in_row), _tried(state)


def _tried(state: BreakerState) -> str:
    if state.status != "open":
        return ""
    if state.probe_at is None:
        return "when it is closed by hand"
    wait = state.probe_at - clock.now(config().database)
    return span_text(wait) if wait > timedelta(0) else "with the next that waits"


def _data(state: BreakerState) -> dict[str, Any]:
    return {
        "status": state.status,
        "failures_in_row": state.in_row,
        "succeeded": state.succeeded,
        "failed": state.failed,
        "probe_at": state.probe_at.isoformat() if state.probe_at else None,
    }
