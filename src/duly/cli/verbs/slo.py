"""`duly slo`: how punctual it was, from the rows themselves; its exit code can be an alert."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import timedelta

from duly import clock
from duly.cli.rules import read_span
from duly.cli.tables import table
from duly.conf import config
from duly.errors import InvalidEvent
from duly.store.slo import Report, report

HEADS = ("objective", "is", "shall be", "")


def perform(options: Namespace) -> int:
    """Print the verdict over a window that ends now; 1 where an objective is not met."""
    window = read_span("--window", options.window)
    if window <= timedelta(0):
        raise InvalidEvent(f"--window must be above zero, got {options.window!r}")
    using = config().database
    found = report(using, clock.now(using), window)
    met = found.met(share=options.share / 100)
    if options.json:
        print(json.dumps(found.to_json() | {"met": met}))
        return 0 if met else 1
    print(f"{found.due} occurrences came due in the last {options.window}")
    print(table(HEADS, _rows(found, options.share)))
    return 0 if met else 1


def _rows(found: Report, share: float) -> list[tuple[str, ...]]:
    def verdict(is_met: bool) -> str:
        return "ok" if is_met else "MISSED"

    minute, second = found.within_minute * 100, found.within_second * 100
    return [
        ("within 1 min", f"{minute:.3f} %", f">= {share:g} %", verdict(minute >= share)),
        ("within 1 s", f"{second:.3f} %", "", ""),
        ("lost", str(found.lost), "0", verdict(found.lost == 0)),
        ("lateness p50", _seconds(found.p50), "", ""),
        ("lateness p99", _seconds(found.p99), "", ""),
        ("lateness p99.9", _seconds(found.p999), "", ""),
        ("lateness max", _seconds(found.worst), "", ""),
        ("dead", str(found.dead), "", ""),
        ("retried", str(found.retried), "", ""),
        ("skipped", str(found.skipped), "", ""),
    ]


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3f} s"
