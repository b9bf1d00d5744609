"""How long the dashboard and the admin take with a million events and a million occurrences.

`python -m benchmarks.pages`: a PostgreSQL of its own is filled; Django's test client asks for each
page so many times, in this process. Nothing is kept between two requests but what PostgreSQL keeps.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import django
from django.core.management import call_command

from benchmarks.report import environment, lines, table, write_json
from duly.testing.servers import PostgresServer

# What is promised, of the median of twenty, on a machine of two cores.
MOST_MS = 300.0


def main() -> int:
    """Fill, ask, print, and judge what was promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--occurrences", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=7.0, help="over which both are spread")
    parser.add_argument("--storm", type=int, default=20_000, help="events due at one moment")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--judge", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", metavar="FILE")
    given = parser.parse_args()
    facts = environment(["duly", "django", "psycopg"])
    facts["command"] = " ".join(["python -m benchmarks.pages", *sys.argv[1:]])
    with PostgresServer() as server, tempfile.TemporaryDirectory() as folder:
        _set_up(server.url, Path(folder))
        # Its models want settings.
        from django.db import connections

        from benchmarks.pages.asking import measure
        from benchmarks.pages.loading import Sizes, load

        began = time.monotonic()
        load(Sizes(given.events, given.occurrences, given.days, given.storm))
        facts["filled in"] = f"{time.monotonic() - began:.0f} s"
        print(lines(facts, markdown=True), flush=True)
        found = measure(given.repeats)
        connections.close_all()
    rows = [
        (one.name, one.status, one.statements, f"{one.median_ms:.0f}", f"{one.worst_ms:.0f}")
        for one in found
    ]
    heads = ("page", "status", "statements", f"median of {given.repeats}, ms", "worst, ms")
    print(table(heads, rows, markdown=True))
    write_json(given.json, {"facts": facts, "pages": [asdict(one) for one in found]})
    faults = [one.name for one in found if one.median_ms > MOST_MS or one.status != 200]
    print(
        f"slower than {MOST_MS:g} ms, or not shown: {', '.join(faults)}" if faults else "all held"
    )
    return 1 if faults and given.judge else 0


def _set_up(url: str, folder: Path) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "duly.service.web_settings",
        "DULY_DATABASE_URL": url,
        "DULY_SECRET_KEY": "only for a benchmark, and for as long as it runs",
    }
    os.chdir(folder)
    django.setup()
    call_command("migrate", verbosity=0)


if __name__ == "__main__":
    sys.exit(main())
