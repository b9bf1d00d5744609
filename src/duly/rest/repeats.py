"""Calls that change something and may be made again, under an idempotency key.

Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from http import HTTPStatus
from typing import Any, TypeVar

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from duly import clock
from duly.conf import config
from duly.rest.auth import identified
from duly.rest.headers import header, unquoted
from duly.rest.problems import Problem, invalid
from duly.store import kept_answers

View = TypeVar("View", bound=Callable[..., Any])

NAME = "Idempotency-Key"
LONGEST_KEY = 200
_REPEATABLE = "_duly_repeatable"


def repeatable(view: View) -> View:
    """Mark a view that a call under a key runs once; its answer has a body, and no ETag."""
    setattr(view, _REPEATABLE, True)
    return view


def once(view: Callable[..., HttpResponse], *, has_body: bool) -> Callable[..., HttpResponse]:
    """Let a call run a view that is marked, unless it was answered before.

    has_body: whether the view reads one, which then belongs to what is asked.

    The answer is written in the transaction of the change: neither is there without the other.
    A refusal changes nothing, and is not kept.
    """
    if not hasattr(view, _REPEATABLE):
        return view

    @wraps(view)
    def run(request: HttpRequest, **values: Any) -> HttpResponse:
        given = header(request, NAME)
        if given is None:
            return view(request, **values)
        key, asked = _read(given), _asked(request, request.body if has_body else b"")
        using, service = config().database, identified(request).service
        with transaction.atomic(using):
            kept = kept_answers.take(using, service, key, asked, clock.now(using))
            if kept.asked != asked:
                raise _used(key)
            if kept.status:
                headers = {"Idempotent-Replayed": "true"}
                return HttpResponse(kept.body, "application/json", kept.status, headers=headers)
            answer = view(request, **values)
            kept_answers.keep(using, kept, answer.status_code, answer.content.decode())
        return answer

    return run


def _read(given: str) -> str:
    key = unquoted(given)
    if not 1 <= len(key) <= LONGEST_KEY:
        raise invalid(NAME, given, f"must have 1 to {LONGEST_KEY} characters")
    return key


def _asked(request: HttpRequest, body: bytes) -> str:
    named = f"{request.method} {request.get_full_path()}\n".encode()
    return sha256(named + body).hexdigest()


def _used(key: str) -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Idempotency key used",
        f"{NAME} {key!r:.60} was sent with another call; take a new one for each",
        field=NAME,
        value=key,
        rule="a key stands for one call, and is sent again only with the same address and body",
    )
