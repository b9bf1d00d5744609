"""`duly prune`: deletes the history of what ended long ago, in batches beside running engines."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from datetime import timedelta

from duly import clock
from duly.cli.rules import read_span
from duly.conf import config
from duly.errors import InvalidEvent
from duly.store import retention
from duly.store.prune import Terms, total
from duly.store.seals import seal

# What ended within a day may not be sealed yet, and `duly slo` looks at it.
SHORTEST = timedelta(days=1)


def perform(options: Namespace) -> int:
    """Delete, or say what would go."""
    using = config().database
    age = _age(options.older_than)
    now = clock.now(using)
    if not options.dry_run:
        while seal(using, now):
            pass
    terms = Terms(now - age, options.dead)
    done = total(retention.prune(using, terms, now, actor="prune", dry_run=options.dry_run))
    if options.json:
        print(json.dumps(asdict(done) | {"before": (now - age).isoformat()}))
        return 0
    would = "would be deleted" if options.dry_run else "deleted"
    print(
        f"{done.occurrences} occurrences, {done.events} events"
        f"{f', {done.sagas} sagas' if done.sagas else ''} and {done.entries} ledger entries "
        f"that ended before {now - age:%Y-%m-%d %H:%M} UTC {would}"
    )
    return 0


def _age(given: str | None) -> timedelta:
    if given is None:
        days = config().retention_days
        if not days:
            raise InvalidEvent(
                "how long is history kept? Say --older-than 90d, or set DULY['RETENTION_DAYS']"
            )
        return timedelta(days=days)
    age = read_span("--older-than", given)
    if age < SHORTEST:
        raise InvalidEvent(f"--older-than must be at least 1d, got {given!r}")
    return age
