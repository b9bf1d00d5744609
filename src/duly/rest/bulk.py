"""Many events in one request, as many as there are: an answer for each, in little memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.db import InterfaceError, OperationalError, connections
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from ninja import Router

from duly import clock
from duly.access import quotas
from duly.access.caller import Caller
from duly.access.refusals import TooManyRequests
from duly.conf import config
from duly.intake import NewEvent
from duly.operations import Taken, schedule_each
from duly.policy.scopes import Scope
from duly.rest.admission import check_payload
from duly.rest.auth import identified
from duly.rest.described import BULK
from duly.rest.guard import needs, streamed
from duly.rest.handlers import problem_of
from duly.rest.json_body import check_encoding, read_json
from duly.rest.lines import first_byte, lines_of, rest_of
from duly.rest.new_events import Reader
from duly.rest.problems import (
    Problem,
    malformed,
    of_error,
    too_large,
    unavailable,
)
from duly.scheduling import OnConflict

router = Router(tags=["events"])

CHUNK_ITEMS = 2_500
"""So many are stored in one transaction: enough to hide what a statement costs."""
CHUNK_BYTES = 4 * 1024 * 1024
"""Or so much text of them, where each is large."""
LIST_BODIES = 16
"""A list is read whole; it may be so many times as large as one body."""
MEMORY_BYTES = 1024 * 1024
"""Of answers; more wait in a file, so that nobody has to read while they send."""
NDJSON = "application/x-ndjson"


@router.post(
    "events/bulk", response={200: None}, summary="Schedule many events", openapi_extra=BULK
)
@streamed
@needs(Scope.SCHEDULE)
def schedule_bulk(request: HttpRequest) -> HttpResponseBase:
    """Schedule events, one JSON object on each line (NDJSON), or a JSON list of them.

    The answer has a line, or an item of a list, for each, in the order given. One that is
    refused does not hinder the others. They are stored in chunks: what has been stored stays
    where the database goes away in between, and the others are answered 503. With an `id` in
    each, the whole request can be repeated.
    """
    caller = identified(request)
    check_encoding(request)
    most = config().rest_body_max_bytes
    head = first_byte(request)
    if not head:
        raise malformed("the body is empty; send an event on each line, or a list of them")
    is_list = head.lstrip().startswith(b"[")
    items: Iterable[_Item] = (
        _listed(rest_of(request, head, LIST_BODIES * most))
        if is_list
        else _lines(lines_of(request, head, most), most)
    )
    answers = SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115 - the response closes it
    try:
        _Bulk(caller, answers, is_list).take_all(items)
    except BaseException:
        answers.close()
        raise
    answers.seek(0)
    return FileResponse(answers, content_type="application/json" if is_list else NDJSON)


class _Item:
    """One item as it was read: its value, how long its text was, or why it is none."""

    __slots__ = ("problem", "size", "value")

    def __init__(self, value: Any, size: int, problem: Problem | None = None) -> None:
        self.value, self.size, self.problem = value, size, problem


def _lines(lines: Iterator[bytes | None], most: int) -> Iterator[_Item]:
    for line in lines:
        if line is None:
            yield _Item(None, 0, too_large(most, "the line"))
            continue
        try:
            yield _Item(read_json(line), len(line))
        except Problem as problem:
            yield _Item(None, 0, problem)


def _listed(raw: bytes) -> Iterator[_Item]:
    found = read_json(raw)
    if not isinstance(found, list):
        raise malformed("the body must be a list of events, or one on each line")
    size = len(raw) // max(1, len(found))
    return (_Item(value, size) for value in found)


class _Bulk:
    """The events of one request on their way into the database, chunk by chunk."""

    def __init__(self, caller: Caller, answers: IO[bytes], is_list: bool) -> None:
        self._reader = Reader(caller)
        self._actor = caller.actor
        self._answers = answers
        self._is_list = is_list
        self._index = 0
        self._bounded: dict[str, bool] = {}
        self._stored_some = False
        self._is_over: Problem | None = None
        self._begin()

    def take_all(self, items: Iterable[_Item]) -> None:
        """Store what can be stored, and write an answer for each."""
        if self._is_list:
            self._answers.write(b"[")
        for item in items:
            self._take(item)
        self._flush()
        if self._is_list:
            self._answers.write(b"]\n")

    def _begin(self) -> None:
        self._results: list[Problem | None] = []
        self._values: list[Any] = []
        self._new: list[NewEvent] = []
        self._keys: set[tuple[str, str]] = set()
        self._on_conflict: OnConflict = "match"
        self._size = 0

    def _take(self, item: _Item) -> None:
        problem = item.problem or self._is_over
        if problem is None:
            try:
                new, on_conflict = self._reader.read(item.value)
                if self._is_bounded(new.service):
                    check_payload(new)
            except Problem as found:
                problem = found
            else:
                self._add(new, on_conflict, item)
                return
        self._results.append(problem)
        self._values.append(None)
        if len(self._results) >= CHUNK_ITEMS:
            self._flush()

    def _is_bounded(self, service: str) -> bool:
        """Say whether the payloads of a service have a quota; looked up once in a request."""
        found = self._bounded.get(service)
        if found is None:
            found = quotas.quota_of(service).payload_bytes is not None
            self._bounded[service] = found
        return found

    def _add(self, new: NewEvent, on_conflict: OnConflict, item: _Item) -> None:
        # A key again means the event that is stored by then.
        place = (new.service, new.key) if new.key is not None else None
        if on_conflict != self._on_conflict or place in self._keys:
            self._flush()
            self._on_conflict = on_conflict
        if place is not None:
            self._keys.add(place)
        self._results.append(None)
        self._values.append(item.value)
        self._new.append(new)
        self._size += item.size
        if len(self._results) >= CHUNK_ITEMS or self._size >= CHUNK_BYTES:
            self._flush()

    def _flush(self) -> None:
        taken = iter(self._store())
        parts = []
        for problem, value in zip(self._results, self._values, strict=True):
            one = problem or next(taken)
            parts.append(_answer(self._index, one, value))
            self._index += 1
        if parts:
            begun = self._index > len(parts)
            text = (",\n" if self._is_list else "\n").join(parts)
            if not self._is_list:
                text += "\n"
            elif begun:
                text = ",\n" + text
            self._answers.write(text.encode())
        self._begin()

    def _store(self) -> Iterable[Taken | Problem]:
        if not self._new:
            return ()
        try:
            self._admit()
        except TooManyRequests as error:
            # What comes later may fit again, so the rest is tried.
            return [problem_of(error)] * len(self._new)
        except (OperationalError, InterfaceError) as error:
            return self._gone(error)
        try:
            found = schedule_each(self._new, on_conflict=self._on_conflict, actor=self._actor)
        except (OperationalError, InterfaceError) as error:
            return self._gone(error)
        self._stored_some = True
        return found

    def _admit(self) -> None:
        now = clock.now(config().database)
        for service, count in Counter(new.service for new in self._new).items():
            quotas.admit_events(service, count, now)

    def _gone(self, error: Exception) -> list[Problem]:
        """Say that the database is away: of the rest, where some has been stored."""
        if not self._stored_some:
            raise error
        self._is_over = unavailable("the database went away; send this item again")
        connections[config().database].close_if_unusable_or_obsolete()
        return [self._is_over] * len(self._new)


def _answer(index: int, one: Taken | Problem, value: Any) -> str:
    if isinstance(one, Problem):
        problem = one
    elif one.error is not None:
        problem = of_error(one.error, value)
    else:
        status = 201 if one.is_new else 200
        return f'{{"index": {index}, "status": {status}, "event_id": "{one.event_id}"}}'
    return json.dumps({"index": index, "status": problem.status, "problem": problem.members()})
