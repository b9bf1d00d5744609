"""The ways out of this process: what is delivered to others, each way in a module of its own."""

from __future__ import annotations

from duly.engine.executors.hand_over import Publisher
from duly.policy.service import CeleryTarget, TasksTarget


def publisher_of(target: CeleryTarget | TasksTarget) -> Publisher:
    """Open the way to a broker. Raises ImportError where its library is not installed."""
    raise NotImplementedError(target)
