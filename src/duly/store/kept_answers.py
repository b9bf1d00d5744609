"""Answers that are kept, so that a call that is made again gets the one it missed."""

from __future__ import annotations

from datetime import datetime, timedelta

from duly.ids import first_id, new_id
from duly.models import KeptAnswer
from duly.store.locks import unlocked

KEPT = timedelta(hours=24)
# Of those that are too old, each new one takes so many away.
_FORGOTTEN = 10


def take(using: str, service: str, key: str, asked: str, now: datetime) -> KeptAnswer:
    """Give the answer under a key, for a call that is about to run in this transaction.

    Its `status` is zero for a key that is new: `keep` is to follow. Waits for a call under the
    same key that has not ended.

    asked: what tells this call from others, at most 64 characters.
    """
    rows = KeptAnswer.objects.using(using)
    old = rows.filter(id__lt=first_id(now - KEPT)).order_by("id").values_list("id", flat=True)
    rows.filter(id__in=list(unlocked(old)[:_FORGOTTEN])).delete()
    while True:
        new = KeptAnswer(id=new_id(now), service=service, key=key, asked=asked)
        rows.bulk_create([new], ignore_conflicts=True)
        # Another transaction may just have taken the old one away.
        if found := rows.filter(service=service, key=key).first():
            return found


def keep(using: str, answer: KeptAnswer, status: int, body: str) -> None:
    """Keep what was answered."""
    KeptAnswer.objects.using(using).filter(id=answer.id).update(status=status, body=body)
