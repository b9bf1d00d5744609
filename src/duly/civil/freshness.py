"""How old a release of the time zone data is at least, by its name alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_RELEASE = re.compile(r"([0-9]{4})[a-z]+", re.ASCII)


def least_age(release: str, now: datetime) -> timedelta | None:
    """Say for how long the year of a release, such as "2026b", has been over.

    Zero within the year; None for a name that says no year. There are three releases or more in
    most years, and governments change their clocks with some weeks' notice.
    Source: https://data.iana.org/time-zones/tz-link.html
    """
    found = _RELEASE.fullmatch(release)
    if found is None or int(found[1]) >= 9999:
        return None
    over = datetime(int(found[1]) + 1, 1, 1, tzinfo=UTC)
    return max(now - over, timedelta(0))
