"""Handlers of the service that tests run: one does, one never can; and a saga."""

from __future__ import annotations

import duly
from duly import Occurrence, Retry, SagaBuilder


@duly.handler("does")
def does(occurrence: Occurrence) -> None:
    """Be done."""


@duly.handler("never_can", retry=Retry(attempts=1))
def never_can(occurrence: Occurrence) -> None:
    """Fail, whatever is tried."""
    raise ValueError("never")


@duly.saga("visit", service="mine")
def visit(saga: SagaBuilder) -> None:
    """Wait to be told."""
    saga.wait_for("confirmed", deadline=3600)
