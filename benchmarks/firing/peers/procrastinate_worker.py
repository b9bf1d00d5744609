"""Procrastinate: one asynchronous worker."""

from __future__ import annotations

from benchmarks.firing.contender import Peer, Stored


class Procrastinate(Peer):
    """An asynchronous task, so that no thread is paid for; 20 at once on a pool of 20.

    Jobs of the future are found by polling only, every 5 s unless told otherwise: 0.1 s here.
    """

    name = "procrastinate"
    app = "procrastinate_app"
    needs = ("procrastinate", "psycopg_pool")
    packages = ("procrastinate",)
    configured = "one worker, async task, concurrency 20, polls every 0.1 s, LISTEN/NOTIFY"
    most_stored = 1_000_000
    seconds_to_store = 0.0005
    unfinished_query = """
        SELECT count(*) FROM procrastinate_jobs
        WHERE status IN ('todo', 'doing') AND (scheduled_at IS NULL OR scheduled_at <= now())"""
    claim_query = """
        SELECT jobs.* FROM procrastinate_jobs AS jobs
        WHERE (jobs.lock IS NULL OR NOT EXISTS (
                SELECT 1 FROM procrastinate_jobs AS earlier
                WHERE jobs.lock IS NOT NULL AND earlier.lock = jobs.lock
                  AND earlier.status IN ('todo', 'doing')))
          AND jobs.status = 'todo' AND (jobs.scheduled_at IS NULL OR jobs.scheduled_at <= now())
        ORDER BY jobs.priority DESC, jobs.id ASC LIMIT 1 FOR UPDATE OF jobs SKIP LOCKED"""
    stored = Stored(
        table="procrastinate_jobs",
        differing={
            "id": "1000000 + g",
            "scheduled_at": "now() + interval '60 days' + g * interval '1 second'",
        },
    )

    def commands(self) -> list[list[str]]:
        module = f"benchmarks.firing.peers.apps.{self.app}"
        return [["-m", "benchmarks.firing.call", module, "work"]]
