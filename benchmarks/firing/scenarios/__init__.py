"""What is measured, one module for each, in the order of the report."""

from __future__ import annotations

from typing import cast

from benchmarks.firing.rig import Scenario
from benchmarks.firing.scenarios import (
    burst,
    old_snapshot,
    pooler,
    punctuality,
    recurring,
    scale,
    scheduling,
    sustained,
)

SCENARIOS: dict[str, Scenario] = {
    module.NAME: cast("Scenario", module)
    for module in (
        burst,
        punctuality,
        scale,
        scheduling,
        recurring,
        old_snapshot,
        pooler,
        sustained,
    )
}
