"""duly: engines as users start them, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import ClassVar

from benchmarks.firing.contender import Peer, Stored
from benchmarks.firing.place import Place

# Read as text: importing the store takes Django's settings, which each peer has of its own.
_LOCK_DUE = files("duly").joinpath("store", "sql", "lock_due.sql").read_text("utf-8")


class DulyEngine(Peer):
    """`python -m duly run`, at its defaults but for the options given."""

    name = "duly"
    app = "duly_app"
    needs: ClassVar[tuple[str, ...]] = ("psycopg",)
    packages: ClassVar[tuple[str, ...]] = ("duly", "psycopg")
    configured = "one `duly run` at its defaults"
    seconds_to_store = 0.001
    most_stored = 10_000_000
    unfinished_query = """
        SELECT (SELECT count(*) FROM duly_scheduledevent WHERE next_at <= now())
             + (SELECT count(*) FROM duly_occurrence WHERE wake_at IS NOT NULL)"""
    claim_query = (
        _LOCK_DUE.replace("%(since)s", "(now() - interval '10 seconds')")
        .replace("%(until)s", "(now() + interval '1 second')")
        .replace("%(limit)s", "128")
        .replace("%(types)s", "'{}'")
        .replace("%(services)s", "'{}'")
        .replace("%(elsewhere)s", "'{}'")
    )
    stored = Stored(
        table="duly_scheduledevent",
        differing={
            "id": "lpad(to_hex(g), 32, '0')::uuid",
            "next_at": "now() + interval '60 days' + g * interval '1 second'",
        },
    )

    def __init__(self, place: Place, options: Sequence[str] = ()) -> None:
        super().__init__(place)
        self._options = list(options)
        place.environment |= {
            "DJANGO_SETTINGS_MODULE": "duly.service.settings",
            "DULY_DATABASE_URL": place.database_url,
            "DULY_HANDLERS": "benchmarks.firing.peers.apps.duly_handlers",
        }

    def commands(self) -> list[list[str]]:
        return [["-m", "duly", "run", *self._options]]
