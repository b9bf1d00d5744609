"""Lets engines send some messages twice, and out of order: no broker promises better."""

from __future__ import annotations

from collections.abc import Sequence

from duly.celery.publisher import CeleryPublisher
from duly.store.rows import Claim

ONE_IN = 5
_publish = CeleryPublisher.publish


def _publish_some_twice(self: CeleryPublisher, claims: Sequence[Claim]) -> None:
    _publish(self, [*claims, *claims[::ONE_IN]])


CeleryPublisher.publish = _publish_some_twice  # type: ignore[method-assign]
