"""Every refusal as a problem body that says what was wrong, where, and by which rule.

Source: RFC 9457. Beside its members stand `field`, `value` and `rule` where one field is to
blame, and `errors` with the same of each where there are several.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse

from duly import errors

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:duly:problem:"
RETRY_SECONDS = 1
"""When to try again once the database is back; clients double it."""
LONGEST_VALUE = 200
BODY_RULE = "the body is one JSON value in UTF-8"
_ABSENT: Any = object()
_logger = logging.getLogger("duly")

_NOT_FOUND = (errors.EventNotFound, errors.SagaNotFound)
_CONFLICTS = (errors.EventConflict, errors.SagaConflict)
# By how the messages of our own checks begin: what the field is called in a request.
_FIELDS = {
    "key": "id",
    "event type": "type",
    "no handler is registered for event type": "type",
    "service": "service_id",
    "expires_after": "expires_after_seconds",
    "catch_up_window": "catch_up_window_seconds",
    "timeout": "timeout_seconds",
    "attempts": "max_retries",
    "base": "retry_delay_seconds",
    "cap": "retry_delay_seconds",
}
_SAME = [
    "entity_type",
    "entity_id",
    "payload",
    "on_tzdata_change",
    "on_conflict",
    "overlap",
    "catch_up",
    "catch_up_limit",
    "priority",
    "limit",
    "cursor",
    "n",
    "to",
    "start",
    "end",
    "note",
]
_FIELD = re.compile(rf"(?P<name>{'|'.join([*_FIELDS, *_SAME])})\b", re.ASCII)


class Problem(Exception):
    """A request that is refused, as its body will say."""

    def __init__(  # noqa: PLR0913 - each a member of the body
        self,
        status: int,
        title: str,
        detail: str,
        *,
        kind: str = "",
        field: str | None = None,
        value: Any = _ABSENT,
        rule: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Build it.

        kind: the end of the body's `type`, such as "unknown-zone"; empty: after the title.
        field: where it stands, as a path such as "timezone_context.user_timezone".
        value: what stands there. rule: what must hold. errors: such members of several fields.
        """
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
        self.kind = kind or re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        self.field, self.value, self.rule = field, value, rule
        self.errors = errors
        self.headers = dict(headers or {})

    def members(self) -> dict[str, Any]:
        """Give the members of its body."""
        found: dict[str, Any] = {
            "type": f"{TYPE_PREFIX}{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.field is not None:
            found["field"] = self.field
        if self.value is not _ABSENT:
            found["value"] = shown(self.value)
        if self.rule is not None:
            found["rule"] = self.rule
        if self.errors:
            found["errors"] = list(self.errors)
        return found

    def response(self) -> HttpResponse:
        """Give the response that says it."""
        return HttpResponse(
            json.dumps(self.members()),
            status=self.status,
            content_type=CONTENT_TYPE,
            headers=self.headers,
        )


def invalid(field: str, value: Any, rule: str, *, kind: str = "invalid-value") -> Problem:
    """Say that a field breaks a rule."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Invalid value",
        f"{field} {rule}; got {_said(value)}",
        kind=kind,
        field=field,
        value=value,
        rule=f"{field} {rule}",
    )


def malformed(detail: str, *, rule: str = BODY_RULE, value: Any = _ABSENT) -> Problem:
    """Say that a body cannot be read.

    value: what stands where it breaks the rule.
    """
    status, title = HTTPStatus.BAD_REQUEST, "Malformed request"
    return Problem(status, title, detail, field="body", value=value, rule=rule)


def too_large(most: int, what: str = "the body") -> Problem:
    """Say that something is larger than it may be."""
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "Content too large",
        f"{what} is larger than {most} bytes; send less, or raise DULY['REST_BODY_MAX_BYTES']",
        field="body",
        rule=f"{what} has at most {most} bytes",
    )


def unavailable(detail: str = "the database cannot be reached; try again") -> Problem:
    """Say that it could not be done now."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Service unavailable",
        detail,
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


def not_found(detail: str = "there is nothing at this address") -> Problem:
    """Say that something is not there, or is another's."""
    return Problem(HTTPStatus.NOT_FOUND, "Not found", detail)


def of_error(
    error: errors.DulyError, given: Any = None, *, field: str | None = None, value: Any = _ABSENT
) -> Problem:
    """Give the problem that one of our own errors is.

    given: the object that was read, in which the field that the error names is looked up.
    field, value: where it stands, if that is known.
    """
    if isinstance(error, _NOT_FOUND):
        return not_found(str(error))
    if isinstance(error, errors.UnreadablePayload):
        return _unreadable(error)
    if field is None and (found := _FIELD.match(str(error))):
        field = _FIELDS.get(found["name"], found["name"])
    if field is not None and value is _ABSENT and isinstance(given, Mapping) and field in given:
        value = given[field]
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
    status, title = HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid value"
    if isinstance(error, _CONFLICTS):
        status, title = HTTPStatus.CONFLICT, "Conflict"
    elif isinstance(error, errors.BrokerUnavailable):
        return unavailable(str(error))
    return Problem(status, title, str(error), kind=kind, field=field, value=value, rule=str(error))


def _unreadable(error: errors.UnreadablePayload) -> Problem:
    """Say that a stored payload cannot be read, which is no fault of the caller."""
    _logger.error("a request failed: %s", error)
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Unreadable payload",
        f"{error.what}; whoever runs the service has to give it that key, or to mend the row",
        kind="unreadable-payload",
    )


@contextmanager
def naming(field: str, value: Any) -> Iterator[None]:
    """Say of our own errors within which field they are about."""
    try:
        yield
    except errors.DulyError as error:
        raise of_error(error, field=field, value=value) from None


@contextmanager
def reading(given: Any) -> Iterator[None]:
    """Say of our own errors within that they are about a field of this object."""
    try:
        yield
    except errors.DulyError as error:
        raise of_error(error, given) from None


def shown(value: Any) -> Any:
    """Give a value as a body may show it: whole if it is short, or the beginning of its text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}…"
    text = _text(value)
    return value if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _said(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _text(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return f"a {type(value).__name__}"
