"""`celery beat -S duly.celery:Scheduler`: real ones, several at once."""

from __future__ import annotations

import json
import signal
from collections import Counter
from typing import Any

import pytest

from duly.models import Occurrence, ScheduledEvent
from tests.celery.workers import CeleryProcesses
from tests.faults.engines import eventually

pytestmark = pytest.mark.only_postgres
BEAT = ("beat", "--loglevel=INFO", "-S", "duly.celery:Scheduler", "--pidfile=")


def pings(celery: CeleryProcesses, name: str) -> list[dict[str, Any]]:
    return [one for one in celery.effects() if one["kwargs"].get("name") == name]


def test_several_beats_send_each_firing_of_each_entry_once(
    using: str, celery: CeleryProcesses
) -> None:
    entries = {
        # An interval that a rule says, and one that is asked for its next run.
        name: {
            "task": "site.ping",
            "schedule": seconds,
            "args": [1],
            "kwargs": {"name": name},
            "options": {"headers": {"x-of": name}},
        }
        for name, seconds in (("rule", 1.0), ("asked", 0.9))
    }
    said = json.dumps(entries)
    beats = [celery.launch(*BEAT, PROBE_BEAT=said) for _ in range(3)]
    celery.worker("--concurrency=1")

    eventually(lambda: min(len(pings(celery, name)) for name in entries) >= 4, 25, "four of each")
    for beat in beats:
        beat.send_signal(signal.SIGTERM)
    codes = [beat.wait(20) for beat in beats]
    assert codes == [0] * len(beats), celery.log.read_text()[-4000:]

    sent = Occurrence.objects.using(using).filter(event_type="celery.send_task")
    eventually(
        lambda: len(celery.effects()) >= sent.filter(status="succeeded").count(), 10, "the rest"
    )
    assert not sent.exclude(status="succeeded").exists()
    ids = Counter(one["id"] for one in celery.effects())
    assert ids == {str(id_): 1 for id_ in sent.values_list("id", flat=True)}
    first = pings(celery, "rule")[0]
    assert first["args"] == [1]
    assert (first["headers"]["x-of"], first["headers"]["celery_beat_task"]) == ("rule", True)
    scheduled = ScheduledEvent.objects.using(using).filter(status="scheduled")
    # Celery adds one of its own, for a result backend that does not clean up.
    assert set(scheduled.values_list("key", flat=True)) == {*entries, "celery.backend_cleanup"}
