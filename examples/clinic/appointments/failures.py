"""Whatever dies is told to the operators, in one mail for all that died within half a minute."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.dispatch import receiver

import duly
from duly import At, Occurrence
from duly.models import Occurrence as OccurrenceRow
from duly.signals import occurrence_died

NOTICE = "failure_notice"


@receiver(occurrence_died)
def note_failure(occurrence: OccurrenceRow, **kwargs: Any) -> None:
    """Schedule a notice; its key makes it one, though the signal may be sent again."""
    if occurrence.event_type == NOTICE or occurrence.finished_at is None:
        return
    duly.schedule_event(
        NOTICE,
        At.instant(occurrence.finished_at),
        payload={
            "occurrence": str(occurrence.id),
            "event_type": occurrence.event_type,
            "error": occurrence.error.partition("\n")[0],
        },
        key=f"failure:{occurrence.id}",
    )


@duly.handler(NOTICE, batch=100, within=30)
def tell_operators(notices: list[Occurrence]) -> None:
    """Send one mail about all that has been gathered."""
    lines = [
        f"{one.payload['event_type']}: {one.payload['error']}\n"
        f"    manage.py duly dead {one.payload['occurrence']}"
        for one in notices
    ]
    send_mail(f"{len(notices)} failed", "\n".join(lines), None, settings.OPERATORS)
