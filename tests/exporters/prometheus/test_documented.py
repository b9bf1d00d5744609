"""The table of metrics is what a scrape says."""

from __future__ import annotations

import re
from pathlib import Path

from duly.exporters.counted import MOST_TYPES
from duly.exporters.metrics import Metrics
from duly.exporters.state import MOST_GATES
from duly.store.backlog import MOST_COUNTED
from tests.exporters.prometheus.scraping import Scrape, scrape

PAGE = Path(__file__).parents[3] / "docs/how-to/metrics.md"
ROW = re.compile(r"^\| `(duly_\w+)` \| (\w+) \|([^|]*)\| (\w+) \| ", re.MULTILINE)


def documented() -> dict[str, tuple[str, set[str]]]:
    """Type and labels of each metric in the table."""
    return {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, _ in ROW.findall(PAGE.read_text())
    }


def told(full: Scrape) -> dict[str, tuple[str, set[str]]]:
    found: dict[str, tuple[str, set[str]]] = {}
    for family, kind in full.types.items():
        suffix = {"counter": "_total", "histogram": "_count"}.get(kind, "")
        name = f"{family}_total" if kind == "counter" else family
        found[name] = (kind, full.labels.get(family + suffix, set()))
    return found


def test_the_page_tells_of_every_metric_its_type_and_its_labels(full: Scrape) -> None:
    assert documented() == told(full)


def test_where_names_are_not_told_only_the_gates_are_missing(metrics: Metrics) -> None:
    missing = set(documented()) - set(told(scrape(metrics)))

    # And what only a process with an engine can say.
    assert missing == {"duly_breaker_state", "duly_engine_up", "duly_clock_offset_seconds"}


def test_the_bounds_on_the_page_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text().split())

    assert f"The first {MOST_TYPES} event types" in text
    assert f"not closed, {MOST_GATES} at most" in text
    assert f"end at {MOST_COUNTED:,};" in text
