"""Takes new events from the quotas of the service that will own them."""

from __future__ import annotations

from django.http import HttpRequest

from duly import clock
from duly.access import quotas
from duly.conf import config
from duly.errors import DulyError
from duly.intake import NewEvent
from duly.rest.problems import of_error


def admit(request: HttpRequest, new: NewEvent) -> None:
    """Take one event. Raises QuotaExceeded, and Problem for a payload over its quota."""
    try:
        quotas.check_payload(new.service, new.payload)
    except DulyError as error:
        raise of_error(error, field="payload", value=new.payload) from None
    left = quotas.admit_events(new.service, 1, clock.now(config().database))
    # Told in the answer, beside what is left of its requests.
    request.duly_remaining = request.duly_remaining + left  # type: ignore[attr-defined]
