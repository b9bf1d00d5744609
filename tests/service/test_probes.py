"""`/health`, `/ready` and `/metrics`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory
from prometheus_client.parser import text_string_to_metric_families

from duly.service.options import ServiceOptions
from duly.service.probes import ProbesMiddleware
from duly.testing.servers import PostgresServer
from tests.service.serving import Serving, await_condition, duly


def samples(serving: Serving) -> dict[str, float]:
    """Read the metrics: name and labels, as they are written, with their values."""
    text = serving.get("/metrics").text
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_health_says_that_the_process_answers(service: Serving) -> None:
    answer = service.get("/health")

    assert answer.status == 200
    assert answer.data["status"] == "ok"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
def test_probes_come_by_any_host_name_and_only_look(service: Serving, path: str) -> None:
    await_condition(lambda: service.get(path, Host="10.1.2.3:8005").status == 200)
    assert service.ask("POST", path).status == 405
    assert service.ask("HEAD", path).body == b""


def test_it_is_ready_with_its_database_its_engine_and_nothing_late(service: Serving) -> None:
    await_condition(lambda: service.get("/ready").status == 200)
    answer = service.get("/ready")

    assert answer.status == 200
    assert answer.data["status"] == "ready"
    assert {name: check["ok"] for name, check in answer.data["checks"].items()} == {
        "database": True,
        "engine": True,
        "lateness": True,
    }


def test_it_is_ready_again_when_its_database_is_back(
    tmp_path: Path, crashable_postgres: PostgresServer
) -> None:
    variables = {"DULY_DATABASE_URL": crashable_postgres.url}
    with Serving(tmp_path, variables=variables) as serving:
        await_condition(lambda: serving.get("/ready").status == 200)

        crashable_postgres.stop("immediate")
        await_condition(lambda: serving.get("/ready").status == 503)
        told = serving.get("/ready")
        assert told.data["status"] == "not ready"
        assert told.data["checks"]["database"]["ok"] is False
        # Neither the host nor the user: whoever asks is anybody.
        assert told.data["checks"]["database"]["problem"] == "does not answer (OperationalError)"
        assert serving.get("/health").status == 200
        await_condition(lambda: samples(serving)["duly_database_up"] == 0)

        crashable_postgres.start()
        await_condition(lambda: serving.get("/ready").status == 200)
        await_condition(lambda: samples(serving)["duly_database_up"] == 1)


def test_metrics_are_prometheus_and_all_their_names_are_ours(service: Serving) -> None:
    answer = service.get("/metrics")
    families = list(text_string_to_metric_families(answer.text))

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert families
    assert all(family.name.startswith("duly") and family.documentation for family in families)
    assert sum(len(family.samples) for family in families) < 200


def test_metrics_tell_of_the_engine_and_of_what_waits(service: Serving) -> None:
    found = samples(service)

    assert found["duly_engine_up"] == 1
    assert found["duly_database_up"] == 1
    assert found["duly_dead_letters"] == 0
    assert {"duly_due", "duly_overdue", "duly_oldest_due_age_seconds"} <= set(found)


def test_metrics_count_what_fired_and_how_late_it_began(service: Serving) -> None:
    before = samples(service)
    done = duly(service.folder, "schedule", "note", "every 1s", "--max", "1", DULY_HANDLERS="notes")
    assert done.returncode == 0, done.stderr

    def recorded() -> bool:
        name = "duly_occurrences_total{recorded}"
        return samples(service)[name] == before[name] + 1

    await_condition(recorded)
    after = samples(service)

    assert after["duly_occurrences_total{started}"] == before["duly_occurrences_total{started}"] + 1
    assert after["duly_lateness_seconds_count"] == before["duly_lateness_seconds_count"] + 1
    assert after["duly_lateness_seconds_sum"] < 5 + before["duly_lateness_seconds_sum"]


def test_metrics_may_ask_for_a_token(database: str, settings: Any) -> None:
    token = "scrape-me-if-you-can"
    settings.DULY = {"DATABASE": database}
    settings.DULY_SERVICE = ServiceOptions(metrics_token=token)
    probes = ProbesMiddleware(lambda request: HttpResponse())

    def ask(**headers: str) -> HttpResponseBase:
        return probes(RequestFactory().get("/metrics", headers=headers))

    assert ask().status_code == 401
    assert ask().headers["WWW-Authenticate"] == "Bearer"
    assert ask(Authorization="Bearer another").status_code == 401
    assert ask(Authorization=f"Bearer {token}").status_code == 200
