"""Which links to calendar feeds still hold: each names the generation that it is of."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from duly.models import Stamp


class Feed(NamedTuple):
    """What a calendar shows."""

    service: str
    entity_type: str
    entity_id: str


class Generations(NamedTuple):
    """How often the links were revoked: those of a service all together, and those of a feed."""

    service: int
    feed: int


def generations(using: str, feed: Feed) -> Generations:
    """Give the generations that a link to a feed must name to hold."""
    names = _name(feed._replace(entity_type="", entity_id="")), _name(feed)
    found = dict(Stamp.objects.using(using).filter(name__in=names).values_list("name", "data"))
    return Generations(*(int(found.get(name, 0)) for name in names))


def revoke(using: str, feed: Feed, now: datetime) -> None:
    """Let no link to a feed hold any more; one without an entity stands for all of a service."""
    with transaction.atomic(using):
        rows = Stamp.objects.using(using)
        rows.get_or_create(name=_name(feed), defaults={"data": 0, "at": now})
        row = rows.select_for_update().get(name=_name(feed))
        row.data, row.at = row.data + 1, now
        row.save(using=using)


def _name(feed: Feed) -> str:
    # Names of stamps are short, and none of these may be made to be another's.
    text = "\0".join(feed)
    return f"feed:{hashlib.sha256(text.encode()).hexdigest()[:32]}"
