"""Does the campaign see what it is for? `make mutants` breaks duly in ways that it must find.

Each mutant is a copy of the source with one safeguard taken out, under the faults that need
it. A mutant that passes is a hole in the campaign, and ends the command with 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
EVENTS, SECONDS = "2500", "25"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One safeguard taken out."""

    name: str
    path: str
    before: str
    after: str
    faults: tuple[str, ...]
    """The kinds of fault that the safeguard is there for."""
    broker: str = ""
    """Between engines and Celery's workers, where the safeguard is theirs."""


FENCE = """
        WHERE id = g.id AND due_at = g.due_at AND status = 'running' AND attempt = g.attempt"""
NO_FENCE = """
        WHERE id = g.id AND due_at = g.due_at AND status <> 'cancelled'"""
CLAIM = """
        WHERE id = g.id AND due_at = g.due_at AND status = 'queued' AND attempt = g.attempt
        FOR UPDATE
    ) AS o
), began AS (
    UPDATE duly_occurrence o
    SET status = 'running',"""
# Else a constraint of the table refuses it: nothing that has ended is running.
NO_CLAIM = """
        WHERE id = g.id
        FOR UPDATE
    ) AS o
), began AS (
    UPDATE duly_occurrence o
    SET finished_at = NULL, status = 'running',"""
TAKE = """reason = ''
    WHERE id = %(id)s AND status = 'queued' AND attempt = %(attempt)s - 1
"""
NO_TAKE = """reason = '', finished_at = NULL
    WHERE id = %(id)s
"""
LAPSED = "(status = 'pending' OR (status = 'queued' AND wake_at <= %(now)s::timestamptz))"
CALL = """
        attempt.registration.function(occurrence_of(attempt))
    except BaseException"""
TOLD_FIRST = """
        told = decide(
            Succeeded(), attempt.number, attempt.retry, clock.now(store.using), random.random
        )
        claim = attempt.claim
        result = Result(
            claim.id, claim.event_id, claim.due_at, attempt.number, told
        )
        store.finish([result], now=clock.now(store.using))
        __import__("time").sleep(1.0)"""

MUTANTS = [
    Mutant(
        "no fence: any attempt may write its result",
        "store/sql/finish.sql",
        FENCE,
        NO_FENCE,
        ("freeze",),
    ),
    Mutant(
        "no compare-and-set: whoever holds a claim may begin",
        "store/sql/start.sql",
        CLAIM,
        NO_CLAIM,
        ("freeze", "partition"),
    ),
    Mutant(
        "no rescue: a lease that ran out is left alone",
        "engine/recover.py",
        "    rescued = store.rescue_expired("
        "now=now, limit=LARGEST_BATCH, decide=decide_lost, since=since)\n",
        "    rescued = 0\n    del decide_lost\n",
        ("kill",),
    ),
    Mutant(
        "blind rescue: leases are not looked at",
        "store/portable.py",
        ".filter(status=OccurrenceStatus.RUNNING, wake_at__lte=now)",
        ".filter(status=OccurrenceStatus.RUNNING)",
        ("kill",),
    ),
    Mutant(
        "told before done: success is written before the handler runs",
        "engine/execute.py",
        CALL,
        TOLD_FIRST + CALL,
        ("kill", "failpoint"),
    ),
    Mutant(
        "early: an occurrence is started half a second before its instant",
        "engine/dispatch.py",
        "(claim.ready_at - now).total_seconds()",
        "(claim.ready_at - now).total_seconds() - 0.5",
        ("kill",),
    ),
    Mutant(
        "own time: an engine goes by the clock of its host",
        "clock.py",
        "    if statement is None:\n",
        "    if True:\n",
        ("skew_clock", "step_clock"),
    ),
    Mutant(
        "no compare-and-set in workers: whoever has a message may begin",
        "store/sql/take.sql",
        TAKE,
        NO_TAKE,
        ("kill",),
        "redis",
    ),
    Mutant(
        "trust in the broker: what was handed over is not handed over again",
        "store/sql/claim_waking.sql",
        LAPSED,
        "status = 'pending'",
        ("flush_broker",),
        "redis",
    ),
]


def survives(mutant: Mutant) -> bool:
    """Run a campaign on a mutant; says whether it passed, which it must not."""
    with tempfile.TemporaryDirectory(prefix="duly-mutant-") as folder:
        source = Path(folder) / "src"
        shutil.copytree(ROOT / "src", source)
        path = source / "duly" / mutant.path
        text = path.read_text()
        assert text.count(mutant.before) == 1, f"{mutant.name}: the code has changed"
        path.write_text(text.replace(mutant.before, mutant.after))
        kinds = [part for kind in mutant.faults for part in ("--only", kind)]
        command = [sys.executable, "-m", "tests.faults.campaign.run", "--events", EVENTS]
        command += ["--seconds", SECONDS, "--faults", "5", "--seed", "1", *kinds]
        command += ["--broker", mutant.broker] if mutant.broker else []
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(source), str(ROOT)])}
        done = subprocess.run(
            command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=600
        )
    told = next((line for line in done.stdout.splitlines() if "violations" in line), "no verdict")
    print(f"{'SURVIVED' if done.returncode == 0 else 'found'}: {mutant.name}\n  {told}", flush=True)
    return done.returncode == 0


def main() -> int:
    """Try every mutant."""
    survivors = [mutant.name for mutant in MUTANTS if survives(mutant)]
    print(f"{len(MUTANTS) - len(survivors)} of {len(MUTANTS)} mutants were found")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
