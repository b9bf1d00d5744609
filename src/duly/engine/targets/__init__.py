"""The ways out of this process: what is delivered to others, each way in a module of its own.

Those to brokers are registered from above: what they publish is read by workers, who need the
engine themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from duly.engine.executors.hand_over import Publisher
from duly.errors import ConfigurationError

_ways: dict[type, Callable[[Any], Publisher]] = {}


def publish_by(target: type, way: Callable[[Any], Publisher]) -> None:
    """Say how targets of a kind are published to: what opens the way to one of them."""
    _ways[target] = way


def publisher_of(target: object) -> Publisher:
    """Open the way to a broker. Raises ConfigurationError where there is none."""
    way = _ways.get(type(target))
    if way is None:
        raise ConfigurationError(f"nothing publishes to {target}: is 'duly' in INSTALLED_APPS?")
    return way(target)
