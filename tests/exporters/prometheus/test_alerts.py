"""Alert rules and dashboard speak of metrics that there are, in PromQL that parses."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.exporters.prometheus.scraping import Scrape

ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy/prometheus/duly.rules.yaml"
RULE_TESTS = ROOT / "deploy/prometheus/duly.rules.test.yaml"
DASHBOARD = ROOT / "deploy/grafana/duly.json"
SELECTOR = re.compile(r"\b(duly_\w+)(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
# Grafana's own, as it would fill them in.
FILLED = {"$__rate_interval": "5m", "$__range": "6h", "$environment": "production"}
PROMTOOL = shutil.which(os.environ.get("PROMTOOL", "promtool"))
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool (Debian's prometheus)")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> Iterator[str]:
    for rule in rules():
        yield rule["expr"]
    for panel in panels():
        for target in panel.get("targets", []):
            expression = target["expr"]
            for name, value in FILLED.items():
                expression = expression.replace(name, value)
            yield expression


def test_every_metric_and_label_that_is_asked_for_is_in_a_scrape(full: Scrape) -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    missing: set[str] = set()
    for expression in expressions():
        for name in re.findall(r"\bduly:[\w:]+", expression):
            missing |= {name} - recorded
        for name, matchers in SELECTOR.findall(expression):
            # Given by Prometheus to each target.
            asked = set(LABEL.findall(matchers)) - {"environment"}
            if not asked <= full.labels.get(name, {"(no such metric)"} if asked else set()):
                missing.add(f"{name}{asked}")
            if name not in full.labels:
                missing.add(name)

    assert missing == set()


def test_every_expression_is_promql() -> None:
    promql = pytest.importorskip("promql_parser")
    for expression in expressions():
        promql.parse(expression)


def test_what_every_process_tells_alike_is_never_summed() -> None:
    of_the_database = (
        *("due", "overdue", "oldest_due_age_seconds", "dead_letters", "live", "breakers"),
        *("breaker_state", "database_up", "tzdata_outdated"),
    )
    alike = "|".join(f"duly_{name}" for name in of_the_database)
    summed = re.compile(rf"\b(?:sum|avg|count)\b(?: by \([^)]*\))?\s*\((?:{alike})\b")

    assert [one for one in expressions() if summed.search(one)] == []


def test_every_alert_has_a_severity_and_a_runbook_that_speaks_of_it() -> None:
    index = (ROOT / "docs/runbooks/README.md").read_text()
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len(alerts) >= 7
    for alert in alerts:
        page = ROOT / alert["annotations"]["runbook"]
        assert alert["alert"] in page.read_text()
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert f"| `{alert['alert']}` | {alert['labels']['severity']} |" in index


def test_every_page_of_the_runbooks_is_an_alerts() -> None:
    named = {Path(rule["annotations"]["runbook"]).name for rule in rules() if "alert" in rule}

    assert {page.name for page in (ROOT / "docs/runbooks").glob("*.md")} == named | {"README.md"}


@needs_promtool
def test_the_rules_are_what_prometheus_takes() -> None:
    assert PROMTOOL
    done = subprocess.run([PROMTOOL, "check", "rules", str(RULES)], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_each_alert_fires_when_it_should_and_at_no_other_time() -> None:
    assert PROMTOOL
    command = [PROMTOOL, "test", "rules", RULE_TESTS.name]
    done = subprocess.run(command, cwd=RULE_TESTS.parent, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    cases = [
        case
        for test in yaml.safe_load(RULE_TESTS.read_text())["tests"]
        for case in test["alert_rule_test"]
    ]

    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts


def test_the_panels_of_the_dashboard_are_apart_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in panels()]
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells

    assert len(set(ids)) == len(ids)


def test_every_panel_asks_the_data_source_and_the_environment_that_are_chosen() -> None:
    for panel in panels():
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
            selectors = re.findall(r"\bduly[_:][\w:]+(\{[^}]*\})?", target["expr"])
            assert selectors
            assert all('environment=~"$environment"' in one for one in selectors), target["expr"]


def test_grafana_knows_everything_that_the_dashboard_says() -> None:
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder").JSONEncoder
    raw = json.loads(DASHBOARD.read_text())

    read = models.Dashboard.from_json(raw)
    written = json.loads(encoder(sort_keys=True).encode(read))

    assert written["panels"]
    assert set(raw) - set(written) == set()
    for before, after in zip(raw["panels"], written["panels"], strict=True):
        assert set(before) - set(after) <= {"collapsed"}, before["title"]
