"""What the core emits becomes metrics, and nothing of a tenant's gets into them."""

from __future__ import annotations

import pytest

from duly.exporters.counted import MOST_TYPES
from duly.exporters.metrics import Metrics
from duly.telemetry import Ended, Later, emit
from tests.exporters.prometheus.scraping import Scrape, scrape


def ended(*attempts: tuple[str, str, float | None]) -> Later[list[Ended]]:
    return Later(lambda: [Ended(*one) for one in attempts])


def test_what_becomes_of_occurrences_is_counted_by_step(metrics: Metrics) -> None:
    emit("occurrences.started", count=3, refused=1, late_seconds=[0.01, 0.02, 0.03])
    emit("occurrences.recorded", count=2, fenced=1)
    emit("occurrences.recorded", count=1, fenced=0)

    found = scrape(metrics)

    steps = ("started", "refused", "recorded", "fenced", "rescued")
    counts = [found["duly_occurrences_total", step] for step in steps]
    assert counts == [3, 1, 3, 1, 0]
    assert found["duly_emitted_total", "occurrences.recorded"] == 2


def test_without_names_nothing_that_is_emitted_becomes_a_label(metrics: Metrics) -> None:
    emit("occurrences.parked", count=1, event_types=["secret_surgery"])
    emit("breaker.moved", gate="service:tenant-7", status="open")
    emit("occurrences.recorded", count=1, fenced=0, ended=ended(("secret_surgery", "died", 1.0)))

    text = metrics.expose()[0].decode()

    assert "secret_surgery" not in text
    assert "tenant-7" not in text
    found = scrape(metrics)
    assert found["duly_emitted_total", "breaker.moved"] == 1
    assert found["duly_attempts_total", "other", "died"] == 1


def test_what_waits_is_zero_where_nothing_does(metrics: Metrics) -> None:
    found = scrape(metrics)

    assert found["duly_database_up"] == 1
    assert [found[f"duly_{name}"] for name in ("due", "overdue", "dead_letters")] == [0, 0, 0]
    assert found["duly_oldest_due_age_seconds"] == 0
    assert [found["duly_live", state] for state in ("held", "running", "waiting")] == [0, 0, 0]


def test_once_closed_it_hears_nothing_more(database: str) -> None:
    metrics = Metrics(database)
    metrics.close()

    emit("occurrences.recorded", count=1, fenced=0)

    assert scrape(metrics)["duly_occurrences_total", "recorded"] == 0


def test_attempts_are_counted_by_type_and_outcome(named: Metrics) -> None:
    attempts = ended(
        ("remind", "succeeded", 0.5), ("remind", "succeeded", 1.5), ("call", "died", 2.0)
    )
    emit("occurrences.recorded", count=3, fenced=0, ended=attempts)
    emit("occurrences.recorded", count=0, fenced=1, ended=ended(("call", "fenced", None)))

    found = scrape(named)

    assert found["duly_attempts_total", "remind", "succeeded"] == 2
    assert found["duly_attempts_total", "call", "died"] == 1
    assert found["duly_attempts_total", "call", "fenced"] == 1
    assert (found["duly_died_total", "call"], found["duly_died_total", "remind"]) == (1, 0)
    assert found["duly_busy_seconds_total", "remind"] == 2.0
    assert (found["duly_run_seconds_count"], found["duly_run_seconds_sum"]) == (3, 4.0)


def test_what_is_taken_back_is_told_as_a_lost_lease_and_its_death_as_a_death(
    named: Metrics,
) -> None:
    lost = ended(("remind", "retried", None), ("call", "died", None))
    emit("occurrences.rescued", count=2, ended=lost)

    found = scrape(named)

    assert found["duly_occurrences_total", "rescued"] == 2
    assert found["duly_attempts_total", "remind", "lease_lost"] == 1
    assert found["duly_attempts_total", "call", "lease_lost"] == 1
    assert found["duly_died_total", "call"] == 1


@pytest.mark.parametrize(
    ("seconds", "within", "not_within"),
    [
        (0.0009, "0.001", None),
        (0.0011, "0.0025", "0.001"),
        (0.7, "1.0", "0.5"),
        (59.0, "60.0", "30.0"),
        (3599.0, "3600.0", "900.0"),
        (3601.0, "+Inf", "3600.0"),
        (-0.002, "0.001", None),
    ],
)
def test_lateness_is_told_apart_from_a_millisecond_to_an_hour(
    seconds: float, within: str, not_within: str | None, metrics: Metrics
) -> None:
    emit("occurrences.started", count=1, refused=0, late_seconds=[seconds])

    found = scrape(metrics)

    assert found["duly_lateness_seconds_bucket", within] == 1
    if not_within:
        assert found["duly_lateness_seconds_bucket", not_within] == 0


def test_claims_and_leads_have_histograms_of_their_own(metrics: Metrics) -> None:
    emit("events.planned", born=40, took_seconds=0.02)
    emit("occurrences.claimed", count=2, took_seconds=0.003)
    emit("events.scheduled", count=2, lead_seconds=Later(lambda: [0.5, 86_000.0]))

    found = scrape(metrics)

    assert (found["duly_claim_size_sum", "due"], found["duly_claim_size_sum", "again"]) == (40, 2)
    assert found["duly_claim_seconds_bucket", "due", "0.025"] == 1
    assert found["duly_lead_seconds_bucket", "1.0"] == 1
    assert found["duly_lead_seconds_bucket", "86400.0"] == 2


def test_five_hundred_types_and_a_thousand_entities_make_few_series(named: Metrics) -> None:
    words = ("succeeded", "retried", "snoozed", "released", "died", "fenced")
    for entity in range(1000):
        event_type = f"type_{entity % 500}"
        emit("occurrences.started", count=1, refused=0, late_seconds=[0.1])
        attempts = ended(*((event_type, word, 0.1) for word in words))
        emit("occurrences.recorded", count=6, fenced=0, ended=attempts)
        emit("occurrences.rescued", count=1, ended=ended((event_type, "retried", None)))

    found = scrape(named)

    types = {key[1] for key in found.values if key[0] == "duly_attempts_total"}
    assert types == {"other", *(f"type_{number}" for number in range(MOST_TYPES))}
    assert found["duly_attempts_total", "other", "died"] == 1000 - 2 * MOST_TYPES
    assert found.series < 1100


def test_what_a_listener_may_ask_for_is_computed_once_and_only_then() -> None:
    computed: list[int] = []

    def compute() -> list[float]:
        computed.append(1)
        return [0.5]

    later = Later(compute)
    emit("events.unheard", lead_seconds=later)
    assert computed == []

    assert later() == later() == [0.5]
    assert computed == [1]


def test_an_engine_tells_all_of_it(full: Scrape) -> None:
    assert full["duly_attempts_total", "remind", "succeeded"] == 1
    assert full["duly_attempts_total", "call", "died"] == 1
    assert full["duly_died_total", "call"] == 1
    assert full["duly_run_seconds_count"] == 2
    assert full["duly_lateness_seconds_count"] == 2
    assert full["duly_lead_seconds_count"] == 2
    assert full["duly_claim_size_sum", "due"] == 2
    assert full["duly_engine_up"] == 1
    assert abs(full["duly_clock_offset_seconds"]) < 1
    assert full["duly_tzdata_outdated"] == 0
    assert full["duly_breakers", "open"] == 1
    assert full["duly_breaker_state", "service:partner"] == 2
