"""What to do when an occurrence comes due while another of its event is not over."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from duly.policy.handling import Overlap
from duly.policy.states import OccurrenceStatus


class Other(NamedTuple):
    """Another occurrence of the same event that is not over."""

    status: OccurrenceStatus
    waits: bool
    """Whether it waits for its own turn."""


class Verdict(StrEnum):
    """What becomes of the new occurrence."""

    FIRE = "fire"
    WAIT = "wait"
    SKIP = "skip"
    CANCEL = "cancel"
    """Those that do not run are cancelled, the one that does is asked to stop; then it fires."""
    TERMINATE = "terminate"
    """The others are over at once, whatever they do still; it fires."""


def verdict(overlap: Overlap, others: Sequence[Other]) -> Verdict:
    """Say what becomes of an occurrence. Source: Temporal's overlap policies of schedules."""
    if not others:
        return Verdict.FIRE
    match overlap:
        case "allow_all":
            return Verdict.FIRE
        case "skip":
            return Verdict.SKIP
        case "buffer_one":
            return Verdict.SKIP if any(other.waits for other in others) else Verdict.WAIT
        case "buffer_all":
            return Verdict.WAIT
        case "cancel_other":
            return Verdict.CANCEL
        case "terminate_other":
            return Verdict.TERMINATE
