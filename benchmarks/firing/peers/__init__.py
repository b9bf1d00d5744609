"""Everybody that fires, by name, in the order of the tables."""

from __future__ import annotations

from benchmarks.firing.contender import Peer
from benchmarks.firing.peers.apscheduler_store import APScheduler
from benchmarks.firing.peers.celery_beat import CeleryBeat
from benchmarks.firing.peers.celery_eta import CeleryEta
from benchmarks.firing.peers.celery_queue import CeleryQueue, CelerySent
from benchmarks.firing.peers.django_tasks_db_workers import DjangoTasksDb
from benchmarks.firing.peers.duly_celery import DulyCelery
from benchmarks.firing.peers.duly_engine import DulyEngine
from benchmarks.firing.peers.limit import Limit
from benchmarks.firing.peers.procrastinate_worker import Procrastinate

PEERS: dict[str, type[Peer]] = {
    peer.name: peer
    for peer in (
        DulyEngine,
        Limit,
        Procrastinate,
        DjangoTasksDb,
        APScheduler,
        CeleryQueue,
        CelerySent,
        DulyCelery,
        CeleryEta,
        CeleryBeat,
    )
}
