"""The metrics of Celery's workers: all processes of a pool behind one port."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from duly.testing.processes import free_port
from tests.celery.conftest import due_now
from tests.celery.test_workers import await_end
from tests.celery.workers import CeleryProcesses, Twice
from tests.exporters.prometheus.scraping import Scrape
from tests.faults.engines import eventually

pytestmark = pytest.mark.only_postgres
POOLS = [
    pytest.param("prefork", True, id="prefork"),
    pytest.param("threads", False, id="threads"),
]


@pytest.mark.parametrize(("pool", "is_shared"), POOLS)
def test_one_scrape_tells_what_every_process_of_a_pool_has_run(
    using: str,
    celery: CeleryProcesses,
    handing_over: Twice,
    tmp_path: Path,
    pool: str,
    is_shared: bool,
) -> None:
    port = free_port()
    folder = tmp_path / "metrics"
    folder.mkdir()
    celery.environment |= {
        "DULY_HANDLERS": "tests.celery.site,tests.celery.scraped",
        "PROBE_METRICS_PORT": str(port),
    }
    if is_shared:
        celery.environment["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    celery.worker(f"--pool={pool}", "--concurrency=2")
    for number in range(20):
        due_now("note", number)
    await_end(using, 20)

    def scraped() -> Scrape:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return Scrape.of(answer.read().decode())

    key = ("duly_attempts_total", "note", "succeeded")
    eventually(lambda: scraped().values.get(key) == 20, 10, "twenty attempts in one scrape")
    found = scraped()
    assert found["duly_occurrences_total", "started"] == 20
    assert found["duly_lateness_seconds_count"] == 20
    assert found["duly_run_seconds_count"] == 20
    assert found["duly_database_up"] == 1
