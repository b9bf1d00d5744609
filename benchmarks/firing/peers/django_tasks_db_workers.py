"""django-tasks-db: its `db_worker`, two of them."""

from __future__ import annotations

from benchmarks.firing.contender import Peer, Stored


class DjangoTasksDb(Peer):
    """A worker runs one task at a time: one for each core. It polls; every 0.1 s here, not 1 s."""

    name = "django-tasks-db"
    app = "django_tasks_db_app"
    needs = ("django_tasks_db", "django_tasks")
    packages = ("django-tasks-db", "django-tasks")
    configured = "two `db_worker --interval 0.1 --no-startup-delay`"
    most = 5_000
    most_stored = 1_000_000
    unfinished_query = """
        SELECT count(*) FROM django_tasks_database_dbtaskresult
        WHERE status IN ('READY', 'RUNNING') AND run_after <= now()"""
    claim_query = """
        SELECT * FROM django_tasks_database_dbtaskresult
        WHERE status = 'READY' AND backend_name = 'default' AND queue_name = 'default'
          AND (run_after = '9999-01-01T00:00:00Z' OR run_after <= now())
        ORDER BY priority DESC, run_after ASC, enqueued_at ASC LIMIT 1 FOR UPDATE SKIP LOCKED"""
    stored = Stored(
        table="django_tasks_database_dbtaskresult",
        differing={
            "id": "lpad(to_hex(g), 32, '0')::uuid",
            "run_after": "now() + interval '60 days' + g * interval '1 second'",
        },
    )

    def commands(self) -> list[list[str]]:
        module = f"benchmarks.firing.peers.apps.{self.app}"
        return [["-m", "benchmarks.firing.call", module, "work"]] * 2
