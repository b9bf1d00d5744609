"""A campaign of bounded size: every kind of fault once, on each database."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.faults.campaign.injections import EVERYWHERE, ON_POSTGRES
from tests.faults.campaign.run import Campaign, direct, told

# How fast it recovers is measured by `make campaign`, on a machine that does nothing else.
BOUND_SECONDS = 30.0
CAMPAIGNS = {
    "postgres": Campaign(0, events=1500, faults=len(ON_POSTGRES), seconds=50, database="postgres"),
    "sqlite": Campaign(0, events=300, faults=len(EVERYWHERE), seconds=15, database="sqlite"),
}


@pytest.mark.campaign
@pytest.mark.parametrize("name", CAMPAIGNS)
def test_nothing_is_lost_early_doubled_or_out_of_nowhere_whatever_breaks(name: str) -> None:
    planned = CAMPAIGNS[name]
    seed = random.randrange(2**32)
    campaign = replace(planned, seed=seed, bound=BOUND_SECONDS)

    outcome = direct(campaign)

    print(told(campaign, outcome))
    assert outcome.verdict.passed, told(campaign, outcome)
    assert {fault.name for fault in outcome.faults} == {
        kind.__name__ for kind in (ON_POSTGRES if name == "postgres" else EVERYWHERE)
    }
