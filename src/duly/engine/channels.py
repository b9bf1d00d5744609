"""Channels: a message goes out by mail, by webhook, and as an event of duly's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.mail import EmailMessage, get_connection

from duly.engine.incidents import EVENT_TYPE
from duly.ids import new_id
from duly.policy.notify import Notify
from duly.policy.service import OWN
from duly.registry import Occurrence
from duly.store.announcements import announce

# Where EMAIL_TIMEOUT is not set, Django would wait for a silent server for ever.
MAIL_SECONDS = 10
LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody is told."""

    subject: str
    """One line."""
    text: str
    data: dict[str, Any]
    """The same for programs: the payload of webhook and event."""


def send(message: Message, notify: Notify, using: str, now: datetime) -> dict[str, str]:
    """Send a message by each channel; gives the errors by the names of those that failed."""
    ways: dict[str, Callable[[Message, Notify, str, datetime], None]]
    ways = {"email": _mail, "webhook": _post, "event": _announce}
    errors: dict[str, str] = {}
    for channel in notify.channels:
        try:
            ways[channel](message, notify, using, now)
        except Exception as error:
            said = " ".join(str(error).split())
            errors[channel] = f"{type(error).__name__}: {said}"[:LONGEST_ERROR]
    return errors


def _mail(message: Message, notify: Notify, using: str, now: datetime) -> None:
    connection: Any = get_connection()
    if getattr(connection, "timeout", MAIL_SECONDS) is None:
        connection.timeout = MAIL_SECONDS
    sender = notify.sender or None
    mail = EmailMessage(
        message.subject, message.text, sender, list(notify.email), connection=connection
    )
    mail.extra_headers["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answers.
    mail.send()


def _post(message: Message, notify: Notify, using: str, now: datetime) -> None:
    # Here, not above: it needs urllib3, which who sends mails need not have.
    from duly.engine.targets.http import deliver

    assert notify.webhook is not None
    id_ = new_id(now)
    told = Occurrence(
        id=id_,
        event_id=id_,
        event_type=EVENT_TYPE,
        service=OWN,
        key=None,
        entity_type="",
        entity_id="",
        payload=message.data,
        due_at=now,
        local=now,
        wall_time=now.replace(tzinfo=None),
        user_timezone="",
        resource_timezone="",
        attempt=1,
        deadline=now + timedelta(seconds=notify.webhook.timeout.total_seconds()),
        asked_to_stop=lambda: False,
    )
    deliver(notify.webhook, told)


def _announce(message: Message, notify: Notify, using: str, now: datetime) -> None:
    announce(using, EVENT_TYPE, message.data, now)
