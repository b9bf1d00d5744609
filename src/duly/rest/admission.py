"""Takes new events from the quotas of the service that will own them."""

from __future__ import annotations

from django.http import HttpRequest

from duly.access import quotas
from duly.errors import DulyError
from duly.intake import NewEvent
from duly.rest.auth import admit_events
from duly.rest.problems import of_error


def admit(request: HttpRequest, new: NewEvent) -> None:
    """Take one event. Raises QuotaExceeded, and Problem for a payload over its quota."""
    check_payload(new)
    admit_events(request, new.service, 1)


def check_payload(new: NewEvent) -> None:
    """Raise a Problem for a payload that is larger than the quota of its service."""
    try:
        quotas.check_payload(new.service, new.payload)
    except DulyError as error:
        raise of_error(error, field="payload", value=new.payload) from None
