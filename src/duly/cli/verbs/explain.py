"""`duly explain`: why a rule, or an event, is due when it is."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import UTC, datetime, time, timedelta

from duly import scheduling
from duly.civil.at import At
from duly.civil.explain import Explanation, explain
from duly.civil.instants import EARLIEST, Instant, as_instant
from duly.civil.resolve import resolve
from duly.cli.moments import read_date, read_instant
from duly.cli.rules import read_rule
from duly.cli.tables import visible
from duly.conf import config
from duly.errors import InvalidRule
from duly.store import events, ledger

LAST_FACTS = 10


def perform(options: Namespace) -> int:
    """Explain a rule where a zone is named, else the event of that id or key."""
    if options.tz or " " in options.subject.strip() or options.subject.startswith("{"):
        found: tuple[Explanation | None, list[str]] = _of_rule(options), []
    else:
        found = _of_event(options)
    explanation, facts = found
    if options.json:
        data = explanation.to_json() if explanation is not None else {}
        print(json.dumps(data | ({"ledger": facts} if facts else {})))
        return 0
    for line in [*(explanation.sentences if explanation is not None else ()), *facts]:
        print(visible(line))
    return 0


def _of_rule(options: Namespace) -> Explanation:
    after = _start(options)
    rule = read_rule(options.subject, options).anchored(after)
    # A one-off is explained whether or not it has passed.
    due = rule.next(EARLIEST if isinstance(rule, At) else after)
    if due is None:
        raise InvalidRule(f"{rule.describe()} does not fire after {after.isoformat()}")
    return explain(due, rule)


def _start(options: Namespace) -> Instant:
    if options.after:
        return read_instant("--after", options.after)
    if options.on:
        midnight = datetime.combine(read_date("--on", options.on), time())
        first = resolve(midnight, options.tz or "UTC", gap="next_valid")[0].at
        # `next` is strict, and midnight itself belongs to the date.
        return Instant(first - timedelta(microseconds=1))
    return as_instant(datetime.now(UTC))


def _of_event(options: Namespace) -> tuple[Explanation | None, list[str]]:
    using = config().database
    event = events.find(using, options.subject, options.service or "default")
    facts = ledger.told(using, event.id, LAST_FACTS)
    if event.next_at is None:
        why = f": {event.reason}" if event.reason else ""
        return None, [f"Event {event.id} is {event.status}{why}; it is not due.", *facts]
    return scheduling.explain(event), facts
