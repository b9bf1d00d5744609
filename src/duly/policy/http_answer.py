"""What an HTTP answer makes of a delivery."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from duly.errors import DulyError, RequestRefused, TargetFailed

# Too slow for its server, too early for its TLS, too many: each passes. RFC 9110, 8470, 6585.
WORTH_ANOTHER = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
# "Retry-After: 0" would spend all attempts in a moment; a year would be a death without a word.
SHORTEST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(hours=24)
SHOWN_CHARACTERS = 300
_SECONDS = re.compile(r"[0-9]{1,10}")
_HIDDEN = "***"
# What is shorter is no secret, and would blot out half of what is shown.
_SHORTEST_SECRET = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a target answered."""

    status: int
    body: bytes = b""
    """Its beginning, as far as it was read."""
    retry_after: str = ""
    date: str = ""
    location: str = ""


def failure_of(
    answer: Answer, origin: str, now: datetime, hidden: Iterable[str] = ()
) -> DulyError | None:
    """Say what is wrong with an answer: None after 2xx.

    origin: names the target. hidden: secrets, which the answer may have repeated.

    Gives TargetFailed for 408, 425, 429 and 5xx, RequestRefused for all others, redirects
    among them: a target that moved is to be told its new url, and a redirect is a way in.
    """
    status = answer.status
    if 200 <= status < 300:
        return None
    said = shown(answer.body, hidden)
    text = f"{origin} answered {_named(status)}" + (f": {said}" if said else "")
    if status in WORTH_ANOTHER or 500 <= status < 600:
        return TargetFailed(text, wait_of(answer.retry_after, answer.date, now))
    if 300 <= status < 400:
        to = shown(answer.location.encode(), hidden) or "nowhere"
        return RequestRefused(
            f"{text} (redirect to {to}); redirects are not followed: give the target its final url"
        )
    return RequestRefused(text)


def wait_of(retry_after: str, date: str, now: datetime) -> timedelta | None:
    """Read a Retry-After, in seconds or as a date, bounded to 1 s and 24 h; None if unreadable.

    A date is told apart from the answer's own `Date`, so that a clock that is off does not
    matter; without one, from `now`. Source: RFC 9110 sections 10.2.3 and 6.6.1.
    """
    text = retry_after.strip()
    if _SECONDS.fullmatch(text):
        wait = timedelta(seconds=min(int(text), LONGEST_WAIT.total_seconds()))
    elif (until := _instant(text)) is not None:
        wait = until - (_instant(date) or now)
    else:
        return None
    return max(SHORTEST_WAIT, min(wait, LONGEST_WAIT))


def shown(body: bytes, hidden: Iterable[str]) -> str:
    """Give the beginning of a body on one line, without what nobody should read."""
    text = body.decode("utf-8", "replace")
    for secret in _pieces(hidden):
        text = text.replace(secret, _HIDDEN)
    # Not printable: line breaks, escapes that terminals obey, marks that turn text around.
    clean = "".join(character if character.isprintable() else " " for character in text)
    short = " ".join(clean.split())
    return short if len(short) <= SHOWN_CHARACTERS else f"{short[:SHOWN_CHARACTERS]}…"


def _pieces(hidden: Iterable[str]) -> list[str]:
    """Give secrets and their parts, as of "Bearer abc…", the longest first."""
    pieces = {piece for value in hidden for piece in (value, *value.split())}
    return sorted((p for p in pieces if len(p) >= _SHORTEST_SECRET), key=len, reverse=True)


def _instant(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # "-0000" is a time of no zone, which in HTTP can only be UTC.
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
