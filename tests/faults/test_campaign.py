"""A campaign of bounded size: every kind of fault once, on each database."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.faults.campaign.brokers import why_no
from tests.faults.campaign.celery_injections import (
    CUTS,
    OF_THE_BROKER,
    OF_WORKERS,
    flush_broker,
    kill_broker,
    kill_child,
    kill_worker,
)
from tests.faults.campaign.injections import kill
from tests.faults.campaign.outcome import Campaign, told
from tests.faults.campaign.run import direct

# How fast it recovers is measured by `make campaign`, on a machine that does nothing else.
BOUND_SECONDS = 30.0
# Workers of Celery take many seconds to start, on one that does.
CELERY_TEST_SECONDS = 60.0
CAMPAIGNS = {
    "postgres": Campaign(0, events=1400, faults=24, seconds=60, database="postgres"),
    "sqlite": Campaign(0, events=500, faults=6, seconds=30, database="sqlite"),
}


@pytest.mark.campaign
@pytest.mark.parametrize("name", CAMPAIGNS)
def test_nothing_is_lost_early_doubled_or_out_of_nowhere_whatever_breaks(name: str) -> None:
    campaign = replace(CAMPAIGNS[name], seed=random.randrange(2**32), bound=BOUND_SECONDS)

    outcome = direct(campaign)

    print(told(campaign, outcome))
    assert outcome.verdict.passed, told(campaign, outcome)
    assert outcome.broken == outcome.possible, told(campaign, outcome)
    if name == "postgres":
        assert outcome.kill_points, "no process came to the moment at which it was to die"


# The others are `make campaign`'s.
WITH_CELERY = [one.__name__ for one in (*OF_THE_BROKER, *OF_WORKERS, *CUTS, kill)]
# What loses messages, and what ends whoever has one; each takes a second or two.
SHORTLY = [one.__name__ for one in (flush_broker, kill_broker, kill_worker, kill_child, kill)]
_LONG = Campaign(
    0,
    events=1200,
    faults=len(WITH_CELERY),
    seconds=70,
    database="postgres",
    only=WITH_CELERY,
    bound=CELERY_TEST_SECONDS,
)
_SHORT = replace(_LONG, events=350, faults=len(SHORTLY), seconds=20, only=SHORTLY)
CELERY_CAMPAIGNS = {
    "redis": replace(_LONG, broker="redis"),
    "short_on_redis": replace(_SHORT, broker="redis"),
    "short_on_rabbitmq": replace(_SHORT, broker="rabbitmq"),
}


@pytest.mark.campaign
@pytest.mark.parametrize("name", CELERY_CAMPAIGNS)
def test_nothing_is_lost_or_doubled_between_engines_and_workers_of_celery(name: str) -> None:
    campaign = replace(CELERY_CAMPAIGNS[name], seed=random.randrange(2**32))
    assert campaign.broker is not None
    if reason := why_no(campaign.broker):
        pytest.skip(reason)

    outcome = direct(campaign)

    print(told(campaign, outcome))
    # On a busy machine one of the few faults of a short one may miss.
    words = {"PASS", "UNKNOWN"} if name.startswith("short") and outcome.bites else {"PASS"}
    assert outcome.word in words, told(campaign, outcome)
    assert outcome.broken == outcome.possible, told(campaign, outcome)
    assert outcome.messages["messages.ignored"], "no message came twice"
