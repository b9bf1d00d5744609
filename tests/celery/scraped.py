"""What a project's celery.py adds for its workers to be scraped: docs/how-to/metrics.md."""

from __future__ import annotations

import os

from celery.signals import worker_init, worker_ready


@worker_init.connect
def count(**kwargs: object) -> None:
    """Count from here on, in each process of the pool."""
    from duly.exporters import prometheus  # noqa: F401


@worker_ready.connect
def serve_metrics(**kwargs: object) -> None:
    """Answer for all of them."""
    from duly.exporters import prometheus

    prometheus.serve("127.0.0.1", int(os.environ["PROBE_METRICS_PORT"]))
