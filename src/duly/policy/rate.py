"""A rate: so many in a span of time, as a token bucket."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from duly.errors import ConfigurationError

_SPANS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_TEXT = re.compile(r"([1-9][0-9]{0,6})/([smhd])")


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket of `count` tokens that fills in `per`: so many at once, and then evenly."""

    count: int
    per: timedelta

    @classmethod
    def parse(cls, text: object) -> Rate:
        """Read "100/m": a count, and s, m, h or d. Raises ConfigurationError."""
        found = _TEXT.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise ConfigurationError(
                f"rate must be a count and s, m, h or d, such as '100/m'; got {text!r:.60}"
            )
        return cls(int(found[1]), _SPANS[found[2]])

    def __str__(self) -> str:
        unit = next(name for name, span in _SPANS.items() if span == self.per)
        return f"{self.count}/{unit}"

    def take(self, full_at: datetime | None, now: datetime) -> tuple[datetime, datetime]:
        """Take one token; gives when it may be used, and when the bucket will be full again.

        full_at: what the last taking gave; None: it is full.

        A token that is not there yet is taken all the same, from those to come: whoever takes
        it waits until then, and nobody after it is given the same.
        Source: the generic cell rate algorithm, ITU-T I.371.
        """
        interval = self.per / self.count
        full = max(now, full_at) if full_at else now
        usable = max(now, full + interval - self.per)
        return usable, full + interval
