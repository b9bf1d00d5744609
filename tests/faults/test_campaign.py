"""A campaign of bounded size: every kind of fault once, on each database."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.faults.campaign.run import Campaign, direct, told

# How fast it recovers is measured by `make campaign`, on a machine that does nothing else.
BOUND_SECONDS = 30.0
CAMPAIGNS = {
    "postgres": Campaign(0, events=2000, faults=24, seconds=95, database="postgres"),
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
