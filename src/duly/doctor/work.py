"""Checks of the work: who handles it, what is overdue, how late it begins, and what has died."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from duly import registry
from duly.doctor.findings import Finding, Patient, check, fail, ok, warn
from duly.doctor.words import span
from duly.models import Occurrence
from duly.policy.breaker import BreakerStatus
from duly.policy.notify import signature
from duly.policy.service import HandlerTarget
from duly.policy.states import OccurrenceStatus
from duly.services import UNREGISTERED, Registry
from duly.store import engines, stored_types
from duly.store.backlog import MOST_COUNTED
from duly.store.present import gates_not_closed
from duly.store.slo import LOST_AFTER

OBJECTIVE = 0.999
"""The share that shall begin within a minute, as `duly slo` has it."""
LATE_SECONDS = 5.0
MANY_DEAD = 1_000
# Of the dead so many are looked at to say what most of them died of.
DEAD_LOOKED_AT = 500
MOST_NAMED = 5
LONGEST_ERROR = 80


@check("handlers")
def handlers(patient: Patient) -> Iterable[Finding]:
    """Whether every event type that comes due some day has somebody who runs it."""
    known = known_types(patient.using, patient.now)
    services = Registry()
    services.refresh()

    def unhandled(types: Iterable[stored_types.StoredType]) -> list[str]:
        """Give those that handlers are to run, and that no handler is known for."""
        return sorted(
            {
                one.event_type
                for one in types
                if one.event_type not in known
                and isinstance((services.find(one.service) or UNREGISTERED).target, HandlerTarget)
            }
        )

    stored = stored_types.types_to_come(patient.using)
    parked = unhandled(stored_types.parked_types(patient.using))
    missing = [name for name in unhandled(stored) if name not in parked]
    found = []
    if parked:
        found.append(fail(f"due, and nobody handles them: {_named(parked)}", _REGISTER))
    if missing:
        found.append(warn(f"to come, and nobody handles them: {_named(missing)}", _REGISTER))
    return found or [ok(f"all {len({one.event_type for one in stored})} types to come")]


_REGISTER = (
    "register a @duly.handler for them in a handlers.py of an installed app (alone: name its "
    "module in DULY_HANDLERS), or cancel the events"
)


def known_types(using: str, now: datetime) -> frozenset[str]:
    """Give the types that engines handle; where there is no engine, those of this process."""
    alive = engines.alive(using, now)
    if not alive:
        return registry.known_types()
    return frozenset(name for one in alive for name in one.handles)


@check("overdue")
def overdue(patient: Patient) -> Finding:
    """Whether something waits that should have begun."""
    waits = patient.backlog()
    many = "" if waits.overdue < MOST_COUNTED else " or more"
    found = f"{waits.overdue}{many} due for over a minute, the oldest for {span(waits.oldest)}"
    if waits.oldest > LOST_AFTER:
        return fail(found, "see 'engines' and 'breakers'; 'duly top' shows what is done about it")
    if waits.overdue:
        return warn(found, "more engines, or a higher DULY['CONCURRENCY']; see 'lateness'")
    return ok(f"nothing; {waits.due} due at this moment")


@check("lateness")
def lateness(patient: Patient) -> Finding:
    """How punctual it was, against the objective."""
    seen = patient.pulse()
    if not seen.lateness and not seen.late:
        return ok("nothing came due in the last day")
    within = 1 - seen.share_late
    p50, p99 = seen.quantile(0.5) or 0.0, seen.quantile(0.99) or 0.0
    found = (
        f"{within:.3%} of {seen.on_time + seen.late} began within a minute; p50 {p50:.3f} s, "
        f"p99 {p99:.3f} s, in the last {span(seen.window)}"
    )
    fix = "see 'engines', 'overdue' and 'evolution'; 'duly slo' tells all of a window"
    if within < OBJECTIVE:
        return fail(f"{found}: the objective is {OBJECTIVE:.1%}", fix)
    return warn(found, fix) if p99 > LATE_SECONDS else ok(found)


@check("dead letters")
def dead_letters(patient: Patient) -> Finding:
    """Whether attempts were used up, and on what."""
    count = patient.backlog().dead
    if not count:
        return ok("none")
    causes: Counter[str] = Counter()
    rows = Occurrence.objects.using(patient.using).filter(status=OccurrenceStatus.DEAD)
    newest = rows.order_by("-due_at").values_list("event_type", "error")[:DEAD_LOOKED_AT]
    for event_type, error in newest:
        causes[f"{event_type}: {signature(error)[:LONGEST_ERROR]}"] += 1
    cause, most = causes.most_common(1)[0]
    many = "" if count < MOST_COUNTED else " or more"
    found = f"{count}{many}; {most} of the newest {causes.total()} of {cause}"
    return (fail if count >= MANY_DEAD else warn)(found, "'duly dead', mend, then 'duly replay'")


@check("breakers")
def breakers(patient: Patient) -> Iterable[Finding]:
    """Whether a target is not asked because it failed, or because somebody said so."""
    return list(_open(patient)) or [ok("none is open")]


def _open(patient: Patient) -> Iterator[Finding]:
    for row in gates_not_closed(patient.using, MOST_NAMED):
        since = span(max(patient.now - row.updated_at, timedelta(0)))
        if row.status == BreakerStatus.OPEN and row.probe_at is None:
            fix = f"it stays so until 'duly breakers --close {row.name}'"
            yield fail(f"{row.name} was opened by hand {since} ago", fix)
        else:
            yield warn(
                f"{row.name} is {row.status}, opened {row.openings} times in a row",
                "see what its target answers; it is tried again by itself",
            )


def _named(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
