"""How a client says who it is: an API key of a service, or a token that is asked for each time."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

# What a header may hold (RFC 9110 5.5): a line break in it would begin another header.
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Either a key, with the name of its service, or a token.

    Raises ValueError, which never repeats the key, for what no service would take.
    """

    service: str = ""
    api_key: str = field(default="", repr=False)
    token: Callable[[], str] | str | None = field(default=None, repr=False)
    """A JSON Web Token, or what gives one: it is called before each attempt, so let it keep
    the token as long as it is valid."""

    def __post_init__(self) -> None:
        if bool(self.api_key) == (self.token is not None):
            given = "both" if self.api_key else "neither"
            raise ValueError(f"give api_key= (with service=) or token=, got {given}")
        if self.api_key and not self.service:
            raise ValueError("an api_key belongs to a service: give service= as well")
        if self.service and not _HEADER_VALUE.fullmatch(self.service):
            raise ValueError(f"service must be printable ASCII, got {self.service!r:.120}")
        if self.api_key and not _HEADER_VALUE.fullmatch(self.api_key):
            raise ValueError("api_key holds characters that no key has; was it copied whole?")

    def headers(self) -> dict[str, str]:
        """Give the headers of one request. Raises ValueError, and what the token's giver raises."""
        if self.api_key:
            return {"X-Service-Name": self.service, "X-API-Key": self.api_key}
        token = self.token() if callable(self.token) else self.token
        if not isinstance(token, str) or not _HEADER_VALUE.fullmatch(token):
            raise ValueError("token must give the text of a token, and gave something else")
        return {"Authorization": f"Bearer {token}"}
