"""How often a request is tried, and how long it waits in between: a pure decision."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# What is worth another attempt: too much at once, or a server that is away for a moment, be it
# the service's own (503) or a proxy's before it (502, 504).
RETRIED = frozenset({429, 502, 503, 504})
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How failures are waited for; times are seconds.

    Raises ValueError naming the field that cannot work.
    """

    retries: int = 4
    """Attempts after the first; 0 makes one alone."""
    base: float = 0.1
    """The longest wait before the second attempt; each later one may be twice as long."""
    cap: float = 5.0
    """No wait of the client's own is longer."""
    longest: float = 30.0
    """A `Retry-After` beyond this is not waited for: the error says it to the caller."""

    def __post_init__(self) -> None:
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or self.retries < 0:
            raise ValueError(f"retries must be a whole number, 0 or more, got {self.retries!r}")
        for name in ("base", "cap", "longest"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not (0 <= value < math.inf):
                raise ValueError(f"{name} must be seconds, 0 or more, got {value!r}")

    def wait(self, attempt: int, asked: float | None, dice: float) -> float | None:
        """Give the seconds to wait after an attempt that failed; None: give up.

        attempt: 1 for the first. asked: what `Retry-After` said. dice: random, in [0, 1).

        The waits are spread over all of their range ("full jitter"), so that many clients that
        failed together do not come back together; what was asked for is the least.
        """
        if attempt > self.retries:
            return None
        if asked is not None and asked > self.longest:
            return None
        # An exponent without a bound overflows a float before it reaches the cap.
        own = dice * min(self.cap, self.base * 2.0 ** min(attempt - 1, 60))
        return own if asked is None else asked + own


def asked_for(header: str | None, now: datetime) -> float | None:
    """Give the seconds that `Retry-After` asks for; None where it says nothing that is known.

    header: seconds, or a date of HTTP (RFC 9110 10.2.3). now: aware.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())
