"""How many events a second are scheduled, and how many the same rows alone would be."""

from __future__ import annotations

from functools import partial

from benchmarks.firing.peers import PEERS
from benchmarks.firing.results import Case, Column, Values
from benchmarks.firing.rig import Rig

NAME = "scheduling"
TITLE = "scheduling"
COLUMNS = (
    Column("events", "events"),
    Column("events_per_second", "events/s", has_ratio=True),
)
APP = "scheduling_app"
ONE_BY_ONE = ("one by one, 1 thread", "one by one, 8 threads")
WAYS = {
    # Detail of the row: function of the application, and what it is told.
    "one by one, 1 thread": ("one_by_one", "1"),
    "one by one, 8 threads": ("one_by_one", "8"),
    "bulk": ("bulk", "plain"),
    "bulk, keys": ("bulk", "keyed"),
    "bulk, recurring": ("bulk", "recurring"),
}


def cases(rig: Rig) -> list[Case]:
    found = []
    for detail in WAYS if rig.peers("duly") else ():
        found.append(Case("duly", detail, partial(measured, rig, "duly", detail)))
        if "limit" in rig.chosen:
            found.append(Case("bare rows", detail, partial(measured, rig, "bare", detail)))
    return found


def measured(rig: Rig, who: str, detail: str) -> Values:
    """Schedule for the far future with nobody firing, in one process."""
    function, way = WAYS[detail]
    count = rig.sizes.one_by_one if detail in ONE_BY_ONE else rig.sizes.bulk
    with rig.contender(PEERS["duly"]) as contender:
        contender.place.settle()
        seconds = contender.call(f"{who}_{function}", way, str(count), app=APP)
    return {"events": float(count), "events_per_second": count / seconds}
