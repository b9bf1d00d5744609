"""Which trace an event was scheduled in, and its attempts ran in: beside its stored policies.

As W3C Trace Context writes it, so that what reads it need not be what wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

Carrier = Mapping[str, str]
"""The headers `traceparent` and `tracestate`, of which the second may be missing."""

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
TRIED: Final = "tried"
MARKS = frozenset({TRACEPARENT, TRACESTATE, TRIED})
"""What stands beside the policies of an event, and is none."""

NOTHING: Carrier = MappingProxyType({})
# https://www.w3.org/TR/trace-context/#tracestate-limits: what must be passed on, at the least.
LONGEST_STATE = 512
_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def traced(stored: Mapping[str, Any], carrier: Carrier) -> dict[str, Any]:
    """Add to stored policies the trace that their event was scheduled in, in place of another."""
    found = without_trace(stored)
    if parent := carrier.get(TRACEPARENT, ""):
        found[TRACEPARENT] = parent
        state = carrier.get(TRACESTATE, "")
        # One that is too long is left out whole: half a list is another list.
        if state and len(state) <= LONGEST_STATE:
            found[TRACESTATE] = state
    return found


def without_trace(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Give stored policies, and nothing of traces."""
    return {name: value for name, value in stored.items() if name not in MARKS}


def carrier_of(stored: Mapping[str, Any]) -> Carrier:
    """Give the trace that an event with these stored policies was scheduled in, if any."""
    if not stored or TRACEPARENT not in stored:
        return NOTHING
    return {name: stored[name] for name in (TRACEPARENT, TRACESTATE) if name in stored}


def tried(stored: Mapping[str, Any], parent: str) -> dict[str, Any]:
    """Add to stored policies the `traceparent` of the last attempt that did not succeed."""
    return dict(stored) | {TRIED: parent}


def tried_of(stored: Mapping[str, Any]) -> Carrier:
    """Give the trace of the last attempt that did not succeed, if there was one."""
    parent = stored.get(TRIED, "") if stored else ""
    return {TRACEPARENT: parent} if parent else NOTHING


def parent_text(trace_id: int, span_id: int, flags: int) -> str:
    """Write a `traceparent`."""
    return f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"


def numbers_of(parent: str) -> tuple[int, int, int]:
    """Read trace id, span id and flags out of a `traceparent`; zeros where it is none."""
    found = _PARENT.fullmatch(parent)
    return (int(found[1], 16), int(found[2], 16), int(found[3], 16)) if found else (0, 0, 0)


def sampled_id(parent: str) -> str:
    """Give the id of a trace that is kept; empty for one that its sampler dropped."""
    trace_id, _, flags = numbers_of(parent)
    return f"{trace_id:032x}" if flags & 1 else ""
