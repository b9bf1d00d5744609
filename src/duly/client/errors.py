"""What a service refuses, or could not be asked: exceptions that carry its problem body.

`ClientError` is the base of all. The message is what the service said; `problem` has its parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as made
from datetime import timedelta
from typing import Any

from duly.errors import DulyError


@dataclass(frozen=True, slots=True)
class Problem:
    """The body of a refusal, after RFC 9457."""

    status: int
    """Of HTTP."""
    title: str
    detail: str = ""
    field: str = ""
    """Which field was refused, such as "timezone_context.user_timezone"; empty: none alone."""
    value: Any = None
    """What stood in it."""
    rule: str = ""
    """What it must be."""
    body: Mapping[str, Any] = made(default_factory=dict)
    """All of it, as it came."""


class ClientError(DulyError):
    """Base of every error of the client.

    problem: what the service answered; None where it did not.
    """

    def __init__(self, message: str, problem: Problem | None = None) -> None:
        super().__init__(message)
        self.problem = problem
        self.attempts = 1
        """How often it was tried."""


class ServiceUnreachable(ClientError, ConnectionError):
    """No answer came, however often it was tried; what was asked for may have been done.

    To schedule it again with the same key is safe.
    """


class UnexpectedAnswer(ClientError, ValueError):
    """What answered does not speak as the service does: is the URL right?"""


class Refused(ClientError, ValueError):
    """A field of the request breaks its rule (400, 413, 415, 422): `problem` names it."""


class Unauthorized(ClientError, PermissionError):
    """No key or token, or one that is wrong, expired or revoked (401)."""


class Forbidden(ClientError, PermissionError):
    """The key or the token does not have the scope that this needs (403)."""


class NotFound(ClientError, LookupError):
    """There is no such thing, or it is another service's (404, 410)."""


class Conflict(ClientError, ValueError):
    """It exists already, or is not in a state that allows the change (409)."""


class Changed(Conflict):
    """It is not any more what it was when it was read (412)."""


class QuotaExceeded(ClientError):
    """The service's quota is used up (429).

    after: how long the service asks to wait; None: it did not say.
    """

    def __init__(
        self, message: str, problem: Problem | None = None, after: timedelta | None = None
    ) -> None:
        super().__init__(message, problem)
        self.after = after


class Unavailable(ClientError, ConnectionError):
    """The service is there and cannot answer, however often it was tried (5xx).

    after: how long the service asks to wait; None: it did not say.
    """

    def __init__(
        self, message: str, problem: Problem | None = None, after: timedelta | None = None
    ) -> None:
        super().__init__(message, problem)
        self.after = after


_BY_STATUS: Mapping[int, type[ClientError]] = {
    400: Refused,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    412: Changed,
    413: Refused,
    415: Refused,
    422: Refused,
    428: Refused,
}
_TOO_MANY, _SERVER_ERRORS = 429, 500


def error_of(problem: Problem, after: timedelta | None = None) -> ClientError:
    """Give the error that an answer is. after: of the header Retry-After."""
    message = f"{problem.status} {problem.title}"
    if problem.detail and problem.detail != problem.title:
        message += f": {problem.detail}"
    if problem.status == _TOO_MANY:
        return QuotaExceeded(message, problem, after)
    if problem.status >= _SERVER_ERRORS:
        return Unavailable(message, problem, after)
    kind = _BY_STATUS.get(problem.status, UnexpectedAnswer)
    return kind(message, problem)
