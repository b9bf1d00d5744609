"""Directs the bench: one phase after the other, and the verdict at the end."""

from __future__ import annotations

import json
import signal
import sys
from types import FrameType

import django

from duly.bench.plan import Plan, directory


def main() -> int:
    """Run the bench on the database of the plan; gives the exit code."""
    signal.signal(signal.SIGTERM, _end)
    django.setup()
    # Imported here: they need Django's settings.
    from django.core.management import call_command
    from django.db import Error as DatabaseError

    from duly.bench import care
    from duly.conf import config

    plan, using = Plan.read(), config().database
    try:
        if not plan.is_ours and (why := _refusal(using)):
            return _complain(f"{why}; the bench needs a database that is empty and its own", 2)
        try:
            call_command("migrate", verbosity=0, interactive=False)
            return _perform(plan, using)
        finally:
            if not plan.is_ours:
                care.empty(using)
    except DatabaseError as error:
        instead = "; name an empty database with --database-url" if plan.is_ours else ""
        return _complain(f"the database refused: {error}{instead}", 1)


def _refusal(using: str) -> str:
    """Say why a database that the user named is not for the bench; "" if it is."""
    from duly.bench import care

    if used := care.tables_in_use(using):
        return f"this database is in use: {used[0]} holds rows"
    if others := care.others_connected(using):
        return f"this database is in use: sessions of others on it: {others}"
    return ""


def _perform(plan: Plan, using: str) -> int:
    from django.db import connections

    from duly.bench import report
    from duly.bench.measure import measure
    from duly.bench.promises import promises
    from duly.civil import zones

    say = _silent if plan.options.json else _say
    connection = connections[using]
    database, release = connection.display_name, zones.current().release
    if connection.vendor == "postgresql":
        database += f" {str(connection.pg_version)[:-4]}"  # type: ignore[attr-defined]
    say(report.opening(database, plan.where, release, plan.options.engines, plan.options.seconds))
    found = measure(plan.options, using, directory(), say)
    if plan.options.json:
        print(
            json.dumps(
                report.to_json(
                    found, {"database": database, "where": plan.where, "tzdata": release}
                )
            )
        )
    else:
        say("\n".join(report.verdict_lines(found)))
    return 0 if all(one.kept for one in promises(found)) else 1


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _complain(message: str, code: int) -> int:
    print(f"duly: error: {' '.join(message.split())}", file=sys.stderr)
    return code


def _say(text: str) -> None:
    print(text, flush=True)


def _silent(text: str) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
