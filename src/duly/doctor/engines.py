"""Checks of the engines: whether there are any, by whose clock they go, and what they may fire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from duly import clock as clocks
from duly.doctor.findings import Finding, Patient, check, fail, ok, warn
from duly.doctor.words import span
from duly.engine.guard import CLOCK_OFFSET_SECONDS, stamped_environment
from duly.models import Engine
from duly.store import engines as store

# Signed requests and tokens are refused from here on.
FAR_OFF_SECONDS = 300.0


@check("engines")
def engines(patient: Patient) -> Iterable[Finding]:
    """Whether somebody fires, and all of them are of one release."""
    alive = store.alive(patient.using, patient.now)
    firing = [one for one in alive if one.stopping_at is None]
    return [*_alive(firing), *_lost(patient), *_versions(alive)]


def _alive(firing: list[Engine]) -> Iterator[Finding]:
    if not firing:
        yield fail("none is alive: nothing fires", "start one: 'duly run', or 'duly serve'")
        return
    hosts = sorted({one.host for one in firing})
    slots = sum(one.concurrency for one in firing)
    running = sum(one.running for one in firing)
    yield ok(f"{len(firing)} alive on {', '.join(hosts)}: {running} of {slots} threads busy")


def _lost(patient: Patient) -> Iterator[Finding]:
    lost = store.lost(patient.using, patient.now)
    if lost:
        last = lost[0]
        ago = span(patient.now - last.beat_at)
        yield warn(
            f"{len(lost)} fell silent within a day without stopping, the last {ago} ago: process "
            f"{last.pid} on {last.host}",
            "see why it was killed: memory, SIGKILL after too short a grace, or its host",
        )


def _versions(alive: list[Engine]) -> Iterator[Finding]:
    versions = sorted({one.version for one in alive})
    if len(versions) > 1:
        yield warn(f"of several releases: {', '.join(versions)}", "finish the deployment")


@check("environment")
def environment(patient: Patient) -> Finding:
    """Whether engines with these settings may fire what this database holds."""
    stamped, own = stamped_environment(patient.using), patient.config.environment
    if own and stamped is not None and stamped != own:
        return fail(
            f"the database is of {stamped!r}, and DULY['ENVIRONMENT'] is {own!r}: engines fire "
            "nothing",
            "if it is meant to fire here: duly release",
        )
    return ok(f"{own!r}" if own else "none is set: engines fire on any database")


@check("clocks")
def clocks_agree(patient: Patient) -> Iterable[Finding]:
    """How far the clocks of hosts are off the database's, by which everything fires."""
    offsets = {"this host": (clocks.host_now() - clocks.now(patient.using)).total_seconds()}
    for one in store.alive(patient.using, patient.now):
        offsets[one.host] = max(offsets.get(one.host, 0.0), one.clock_offset, key=abs)
    off = [_off(host, offset) for host, offset in offsets.items() if _is_off(offset)]
    worst = max(offsets.values(), key=abs)
    return off or [ok(f"at most {abs(worst):.3f} s off the database's")]


def _is_off(offset: float) -> bool:
    return abs(offset) > CLOCK_OFFSET_SECONDS


def _off(host: str, offset: float) -> Finding:
    side = "ahead of" if offset > 0 else "behind"
    found = f"{host} is {abs(offset):.1f} s {side} the database's clock"
    fix = "run NTP there; what is due fires by the database's clock all the same"
    return (fail if abs(offset) > FAR_OFF_SECONDS else warn)(found, fix)
