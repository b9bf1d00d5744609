"""APScheduler 3: SQLAlchemyJobStore on PostgreSQL, date triggers, a pool of threads."""

from __future__ import annotations

from benchmarks.firing.contender import Peer, Stored


class APScheduler(Peer):
    """misfire_grace_time=None: without it, jobs that are a second late are dropped silently.

    It must be the only scheduler of its table, so there is one process.
    """

    name = "apscheduler"
    app = "apscheduler_app"
    needs = ("apscheduler", "sqlalchemy")
    packages = ("apscheduler", "sqlalchemy")
    configured = "one scheduler, 20 threads, misfire_grace_time=None"
    most = 2_000
    most_stored = 100_000
    seconds_to_store = 0.006
    unfinished_query = """
        SELECT count(*) FROM apscheduler_jobs
        WHERE next_run_time <= extract(epoch FROM now())"""
    claim_query = """
        SELECT id, job_state FROM apscheduler_jobs
        WHERE next_run_time <= extract(epoch FROM now()) ORDER BY next_run_time"""
    stored = Stored(
        table="apscheduler_jobs",
        differing={
            "id": "'copy' || g",
            "next_run_time": "extract(epoch FROM now()) + 5184000 + g",
        },
    )

    def commands(self) -> list[list[str]]:
        module = f"benchmarks.firing.peers.apps.{self.app}"
        return [["-m", "benchmarks.firing.call", module, "work"]]
