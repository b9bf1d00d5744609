"""How a caller is refused: who it is, what it may, and how much.

Each message is for the caller, and says no more than it may know; none repeats a credential.
"""

from __future__ import annotations

import math
from datetime import timedelta

from duly.errors import DulyError
from duly.policy.quota import Remaining
from duly.policy.scopes import Scope

CHALLENGE = 'ApiKey realm="duly", Bearer realm="duly"'


class Unauthorized(DulyError, PermissionError):
    """Nobody valid is asking: answer 401, with `challenge` as `WWW-Authenticate`.

    reason: for the operator's log, not for the caller: it would tell who guesses.
    """

    def __init__(
        self,
        message: str = "no valid credentials: send X-Service-Name and X-API-Key, or a bearer token",
        *,
        reason: str = "",
        challenge: str = CHALLENGE,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.challenge = challenge


class Forbidden(DulyError, PermissionError):
    """The caller is known, and may not do this: answer 403, naming `scope`."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"this needs the scope {scope.value!r}, which the key or token lacks")
        self.scope = scope


class TooManyRequests(DulyError):
    """Not now: answer 429, with `retry_after_seconds` as `Retry-After`, and `headers`."""

    def __init__(self, message: str, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def retry_after_seconds(self) -> int:
        """Whole seconds, 1 or more: a client that waits so long is not refused for nothing."""
        return max(1, math.ceil(self.retry_after.total_seconds()))

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says beside its status."""
        return {"Retry-After": str(self.retry_after_seconds)}


class Throttled(TooManyRequests):
    """Too many bad keys came from where this one comes from."""

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__("too many requests without valid credentials; wait", retry_after)


class QuotaExceeded(TooManyRequests):
    """A quota of the service is used up; nothing was done."""

    def __init__(
        self, quota: str, rule: str, value: int, retry_after: timedelta, remaining: Remaining
    ) -> None:
        super().__init__(f"quota {quota!r} is {rule}, and {value} more do not fit now", retry_after)
        self.quota = quota
        """Its name: "requests", "events" or "pending"."""
        self.rule = rule
        """What it allows, such as "50/s"."""
        self.value = value
        """How much was asked for."""
        self.remaining = remaining

    @property
    def headers(self) -> dict[str, str]:
        return self.remaining.headers() | super().headers


class TokenKeysUnavailable(DulyError):
    """The keys that tokens are signed with cannot be had: answer 503, and try again."""
