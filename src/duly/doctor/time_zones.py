"""Checks of the time zone data: how old it is, and whether all go by the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from duly.civil import zones
from duly.civil.freshness import least_age
from duly.doctor.findings import Finding, Needs, Patient, check, fail, ok, warn
from duly.engine.rederive import applied_release, prevails, stale_zones
from duly.store import engines
from duly.store.backends import open_store

OLD = timedelta(days=90)
VERY_OLD = timedelta(days=365)
UPGRADE = "pip install --upgrade tzdata, here and where engines run; they follow by themselves"
MOST_NAMED = 5


@check("tz data", needs=Needs.NOTHING)
def age(patient: Patient) -> Finding:
    """Which release is in use here, where it comes from, and how old it is."""
    current = zones.current()
    said = f"tzdata {current.release} from {current.source}"
    old = least_age(current.release, patient.now)
    if old is None:
        return warn(f"{said}: how old that is cannot be told", "set DULY['TZDATA'] = 'wheel'")
    if old < OLD:
        return ok(said)
    level = fail if old >= VERY_OLD else warn
    return level(f"{said}, {old.days} days older than its year", UPGRADE)


@check("tz agreement")
def agreement(patient: Patient) -> Iterable[Finding]:
    """Whether engines and events go by the release that is in use here."""
    return list(_disagreements(patient)) or [ok("engines and events follow the same release")]


def _disagreements(patient: Patient) -> Iterator[Finding]:
    own, applied = zones.current().release, applied_release(patient.using)
    if not prevails(applied):
        yield fail(f"{own} here is older than {applied}, which events follow", UPGRADE)
    alive = engines.alive(patient.using, patient.now)
    if len(others := sorted({one.tzdata_release for one in alive} | {own})) > 1:
        yield warn(f"engines and this process have {', '.join(others)}", UPGRADE)
    behind = sorted({one.zone for one in stale_zones(open_store(patient.using))})
    if behind:
        more = f" and {len(behind) - MOST_NAMED} more" if len(behind) > MOST_NAMED else ""
        yield warn(
            f"events in {', '.join(behind[:MOST_NAMED])}{more} follow other data",
            "engines move them within a minute; 'duly tzdata apply' does it now",
        )
