"""Many events at once: what is answered for each."""

from __future__ import annotations

from pydantic import Field

from duly.rest.schemas.base import Problem, Shown


class ItemResult(Shown):
    """What became of one item."""

    index: int = Field(description="Its place, from 0 on; empty lines are not counted.")
    status: int = Field(description="As if it had been sent alone: 201, 200, 409, 422 …")
    event_id: str | None = Field(None, description="Where it is 201 or 200.")
    problem: Problem | None = Field(None, description="Where it was refused.")
