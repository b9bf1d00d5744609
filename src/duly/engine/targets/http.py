"""Deliver an occurrence to an HTTP endpoint."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from duly import clock as clocks
from duly.clock import Clock
from duly.conf import config
from duly.engine.targets.deadline import Deadline
from duly.engine.targets.guarded_connection import BROKEN, TOO_LATE, GuardedConnection, told
from duly.engine.targets.guarded_pool import GuardedPool
from duly.engine.targets.http_request import HttpRequest, request_of
from duly.errors import TargetFailed
from duly.policy.http_answer import Answer, failure_of
from duly.policy.http_target import HttpTarget
from duly.registry import Occurrence

if TYPE_CHECKING:
    from urllib3 import HTTPResponse

_pool = GuardedPool()


def deliver(target: HttpTarget, occurrence: Occurrence) -> None:
    """POST an occurrence to a target, once: redirects, proxies and cookies play no part.

    Returns when the target has answered 2xx, and its answer has ended or filled
    `max_response_bytes`. Whatever happens, it ends by the target's timeout, save that the
    system's resolver keeps its own.

    Raises TargetFailed where another attempt may help, RequestRefused where it would not,
    AddressRefused where the name leads to an address that is denied, and ConfigurationError
    for a secret that is not set or a file that cannot be read.
    """
    clock = clocks.current()
    now = clock.now(config().database)
    request = request_of(target, occurrence, now, os.environ)
    answer = _answer_to(request, target, clock)
    if failure := failure_of(answer, target.endpoint.origin, now, request.hidden):
        raise failure


def _answer_to(request: HttpRequest, target: HttpTarget, clock: Clock) -> Answer:
    origin = target.endpoint.origin
    deadline = Deadline(target.timeout.total_seconds(), clock.monotonic)
    connection = _pool.take(target, clock.monotonic())
    is_whole = False
    try:
        connection.start_by(deadline)
        answer, is_whole = _exchange(connection, request, target)
    except TOO_LATE:
        seconds = target.timeout.total_seconds()
        raise TargetFailed(f"no whole answer from {origin} within {seconds:g} s") from None
    except BROKEN as error:
        raise TargetFailed(f"no whole answer from {origin}: {told(error)}") from None
    finally:
        if is_whole:
            _pool.give_back(connection, clock.monotonic())
        else:
            connection.close()
    return answer


def _exchange(
    connection: GuardedConnection, request: HttpRequest, target: HttpTarget
) -> tuple[Answer, bool]:
    """Send a request and read the answer; says whether that was read to its end."""
    # It may answer, and close, before it has read it all, as with 413.
    with suppress(BrokenPipeError):
        connection.request(
            "POST",
            "/",  # The connection knows better.
            body=request.body,
            headers=request.headers,
            preload_content=False,
            decode_content=False,
        )
    response = connection.getresponse()
    try:
        body, is_whole, fault = _read(response, target.max_response_bytes)
    finally:
        response.close()
    if fault is not None and 200 <= response.status < 300:
        raise fault  # Nobody has said all of "it is done".
    answer = Answer(
        status=response.status,
        body=body,
        retry_after=response.headers.get("retry-after", ""),
        date=response.headers.get("date", ""),
        location=response.headers.get("location", ""),
    )
    return answer, is_whole


def _read(response: HTTPResponse, most: int) -> tuple[bytes, bool, Exception | None]:
    """Read up to `most` bytes; gives them, whether they are all, and what broke them off."""
    parts: list[bytes] = []
    left = most
    try:
        while left:
            part = response.read1(left)
            if not part:
                return b"".join(parts), True, None
            parts.append(part)
            left -= len(part)
    except BROKEN as error:
        return b"".join(parts), False, error
    return b"".join(parts), False, None
