"""What is broken between engines and Celery's workers, and of the workers themselves.

Each says in `site.bites` whether it is known to have struck: a broker that was killed while
nobody needed it proves nothing.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from subprocess import Popen

from tests.faults.campaign import logs
from tests.faults.campaign.brokers import Broker
from tests.faults.campaign.crew import Crew, await_effect, pool_of, signal_group
from tests.faults.campaign.injections import (
    Injection,
    Reach,
    crash_database,
    drop_connections,
    failpoint,
    freeze,
    kill,
    replace_engine,
    swarm,
)
from tests.faults.campaign.site import LEASE_SECONDS, TO_BROKER, Site

# What `duly.celery.publisher` gives a broker, and a moment more.
PUBLISH_SECONDS = 6.5
# On a machine that has other work.
WORKER_START_SECONDS = 25.0
# Within this, some handler of some worker is one that takes a second.
BUSY_SECONDS = 12.0
QUEUED_SECONDS = 1.5
TAKEN_BY_WORKERS = ("take", "finish", "handler", "commit", "extend")
WORKER_POINTS = [f"{name}:{moment}" for name in TAKEN_BY_WORKERS for moment in ("before", "after")]


def kill_broker(site: Site, dice: random.Random) -> Reach:
    """SIGKILL the broker, and start it again when somebody has missed it."""
    broker, told = _broker(site), logs.Tail(site.directory, "told")
    broker.kill()
    _await_refusal(site, "kill_broker", told, dice.uniform(0.5, 1.5))
    broker.start()
    return None


def flap_broker(site: Site, dice: random.Random) -> Reach:
    """Kill and start the broker five times."""
    broker, told = _broker(site), logs.Tail(site.directory, "told")
    for _ in range(5):
        broker.kill()
        time.sleep(dice.uniform(0.1, 0.6))
        broker.start()
        time.sleep(dice.uniform(0.1, 1.4))
    _await_refusal(site, "flap_broker", told, 0.0)
    return None


def freeze_broker(site: Site, dice: random.Random) -> Reach:
    """SIGSTOP the broker for longer than a publisher waits."""
    broker, told = _broker(site), logs.Tail(site.directory, "told")
    broker.signal(signal.SIGSTOP)
    try:
        _await_refusal(site, "freeze_broker", told, PUBLISH_SECONDS + dice.uniform(0.0, 1.5))
    finally:
        broker.signal(signal.SIGCONT)
    return None


def flush_broker(site: Site, dice: random.Random) -> Reach:
    """Have the broker forget messages that nobody has taken."""
    broker, crew = _broker(site), _crew(site)
    # Where it is the first fault of all, nothing may be due yet.
    effects, end = logs.Tail(site.directory, "effects"), time.monotonic() + BUSY_SECONDS
    while not effects.new() and time.monotonic() < end:
        time.sleep(0.05)
    workers = list(crew.workers)
    for worker in workers:
        signal_group(worker, signal.SIGSTOP)
    try:
        end = time.monotonic() + QUEUED_SECONDS
        while (count := broker.waiting()) < 5 and time.monotonic() < end:
            time.sleep(0.05)
        broker.forget()
        site.bites["flush_broker"] += count
    finally:
        for worker in workers:
            signal_group(worker, signal.SIGCONT)
    return None


def cut_engine_from_broker(site: Site, dice: random.Random) -> Reach:
    """Cut one engine off from the broker, and from nothing else: packets vanish."""
    assert site.namespace is not None
    engine, told = site.start_engine("namespace"), logs.Tail(site.directory, "told")
    _await_told(told, engine, "occurrences.handed_over", WORKER_START_SECONDS)
    site.namespace.pull(TO_BROKER)
    try:
        time.sleep(PUBLISH_SECONDS + dice.uniform(1.0, 3.0))
    finally:
        site.namespace.plug(TO_BROKER)
    site.bites["cut_engine_from_broker"] += _count(told, engine, "target.away")
    _end(engine)
    return None


def cut_worker_from_broker(site: Site, dice: random.Random) -> Reach:
    """Cut one worker off from the broker, and from nothing else: packets vanish."""
    assert site.namespace is not None
    effects = logs.Tail(site.directory, "effects")
    worker = _crew(site).start(site.inside(), site.namespace.within([]))
    started = _await_effect_of(worker, effects, WORKER_START_SECONDS)
    site.namespace.pull(TO_BROKER)
    try:
        time.sleep(LEASE_SECONDS)
        effects.new()
        time.sleep(dice.uniform(1.0, 2.0))
        # It was at work, and had nothing to do any more.
        idle = await_effect(effects, pool_of(worker), 0.1) is None
        site.bites["cut_worker_from_broker"] += started and idle
    finally:
        site.namespace.plug(TO_BROKER)
    time.sleep(1.0)
    signal_group(worker, signal.SIGKILL)
    worker.wait()
    return None


def kill_worker(site: Site, dice: random.Random) -> Reach:
    """SIGKILL the parent of a pool that is at work; its children find out for themselves."""
    victim = dice.choice(_crew(site).workers)
    site.bites["kill_worker"] += _await_busy(site, pool_of(victim)) is not None
    victim.kill()
    victim.wait()
    return None


def kill_child(site: Site, dice: random.Random) -> Reach:
    """SIGKILL a process of a pool while it runs a handler."""
    pids = [pid for worker in _crew(site).workers for pid in pool_of(worker)]
    busy = _await_busy(site, pids)
    site.bites["kill_child"] += busy is not None
    with suppress(ProcessLookupError):
        os.kill(busy or dice.choice(pids), signal.SIGKILL)
    return None


def freeze_worker(site: Site, dice: random.Random) -> Reach:
    """SIGSTOP a worker that is at work until its leases have run out, and let it go on."""
    victim = dice.choice(_crew(site).workers)
    site.bites["freeze_worker"] += _await_busy(site, pool_of(victim)) is not None
    signal_group(victim, signal.SIGSTOP)
    time.sleep(LEASE_SECONDS + dice.uniform(0.5, 2.0))
    signal_group(victim, signal.SIGCONT)
    return None


def replace_worker(site: Site, dice: random.Random) -> Reach:
    """A deploy: one more joins, and another leaves with SIGTERM."""
    crew = _crew(site)
    effects, leaving = logs.Tail(site.directory, "effects"), dice.choice(crew.workers)
    joining = crew.start()
    site.bites["replace_worker"] += _await_effect_of(joining, effects, WORKER_START_SECONDS)
    leaving.terminate()
    return None


def failpoint_in_worker(site: Site, dice: random.Random) -> Reach:
    """Start a worker whose processes kill themselves around a statement."""
    point = site.next_point(WORKER_POINTS, dice)
    failures = logs.Tail(site.directory, "failpoints")
    doomed = _crew(site).start({logs.FAILPOINT_VARIABLE: f"{point}:{dice.randint(1, 4)}"})
    end = time.monotonic() + WORKER_START_SECONDS
    struck = 0
    while not struck and time.monotonic() < end:
        time.sleep(0.1)
        struck = len(failures.new())
    site.bites["failpoint_in_worker"] += struck
    doomed.terminate()
    return None


OF_THE_BROKER: list[Injection] = [kill_broker, freeze_broker, flush_broker]
OF_WORKERS: list[Injection] = [
    *(kill_worker, kill_child, freeze_worker, replace_worker, failpoint_in_worker)
]
CUTS: list[Injection] = [cut_engine_from_broker, cut_worker_from_broker]
OF_ENGINES: list[Injection] = [
    *(kill, freeze, replace_engine, swarm, failpoint, crash_database, drop_connections)
]
MAY_MISS = frozenset(one.__name__ for one in (*OF_THE_BROKER, flap_broker, *OF_WORKERS, *CUTS))
"""Kinds of fault whose effect is looked for."""


def possible_with_celery(site: Site) -> list[Injection]:
    """Give what can be broken here."""
    # RabbitMQ takes ten seconds to start.
    flaps = [flap_broker] if _broker(site).url.startswith("redis") else []
    cuts = CUTS if site.namespace is not None else []
    return [*OF_THE_BROKER, *flaps, *OF_WORKERS, *cuts, *OF_ENGINES]


def _broker(site: Site) -> Broker:
    assert site.broker is not None
    return site.broker


def _crew(site: Site) -> Crew:
    assert site.crew is not None
    return site.crew


def _await_refusal(site: Site, name: str, told: logs.Tail, seconds: float) -> None:
    """Wait so long, and until an engine says that the broker takes nothing."""
    begun = time.monotonic()
    refusals = 0
    while True:
        refusals += sum(line["name"] == "target.away" for line in told.new())
        waited = time.monotonic() - begun
        if waited >= seconds and (refusals or waited > 2 * PUBLISH_SECONDS):
            break
        time.sleep(0.05)
    site.bites[name] += refusals


def _await_told(told: logs.Tail, process: Popen[bytes], name: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not _count(told, process, name) and time.monotonic() < end:
        time.sleep(0.1)


def _count(told: logs.Tail, process: Popen[bytes], name: str) -> int:
    return sum(line["name"] == name and line["pid"] == process.pid for line in told.new())


def _await_effect_of(worker: Popen[bytes], effects: logs.Tail, seconds: float) -> bool:
    """Wait for a worker that has just been started to do something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if await_effect(effects, pool_of(worker), 0.2) is not None:
            return True
    return False


def _await_busy(site: Site, pids: list[int]) -> int | None:
    """Wait until one of these processes is in a handler that takes a while; gives which."""
    effect = await_effect(logs.Tail(site.directory, "effects"), pids, BUSY_SECONDS, slow=True)
    return int(effect["pid"]) if effect else None


def _end(engine: Popen[bytes]) -> None:
    engine.terminate()
    try:
        engine.wait(20)
    except subprocess.TimeoutExpired:
        engine.kill()
        engine.wait()
