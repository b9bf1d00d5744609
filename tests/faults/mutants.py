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
    also: tuple[tuple[str, str, str], ...] = ()
    """The same in other files: path, before and after."""
    broker: str = ""
    """Where Celery's workers take what is due; empty: engines run it themselves."""

    def apply(self, source: Path) -> None:
        """Take it out of a copy of the source."""
        for path, before, after in ((self.path, self.before, self.after), *self.also):
            file = source / "duly" / path
            text = file.read_text()
            assert text.count(before) == 1, f"{self.name}: {path} has changed"
            file.write_text(text.replace(before, after))


FENCE = """
        WHERE id = g.id AND due_at = g.due_at AND status = 'running' AND attempt = g.attempt"""
NO_FENCE = """
        WHERE id = g.id AND due_at = g.due_at AND status <> 'cancelled'"""
FENCE_OF_ONE = """
    WHERE id = %(id)s AND due_at = %(due_at)s AND status = 'running' AND attempt = %(attempt)s"""
NO_FENCE_OF_ONE = """
    WHERE id = %(id)s AND due_at = %(due_at)s AND status <> 'cancelled'"""
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
CALL = """
        return returned(attempt, attempt.registration.function(occurrence_of(attempt)))
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

TAKE = """
    SET status = 'running', attempt = attempt + 1, wake_at = %(lease_until)s,
        holder = %(holder)s, started_at = %(now)s, reason = ''
    WHERE id = %(id)s AND status = 'queued' AND attempt = %(attempt)s - 1"""
NO_TAKE = """
    SET finished_at = NULL, status = 'running', attempt = attempt + 1, wake_at = %(lease_until)s,
        holder = %(holder)s, started_at = %(now)s, reason = ''
    WHERE id = %(id)s AND status <> 'cancelled' AND %(attempt)s > 0"""

MUTANTS = [
    Mutant(
        "no fence: any attempt may write its result",
        "store/sql/finish.sql",
        FENCE,
        NO_FENCE,
        ("freeze",),
        also=(("store/sql/finish_one.sql", FENCE_OF_ONE, NO_FENCE_OF_ONE),),
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
        "no fence at the worker: whoever gets a message begins an attempt",
        "store/sql/take.sql",
        TAKE,
        NO_TAKE,
        ("kill_worker",),
        broker="redis",
    ),
]


def survives(mutant: Mutant) -> bool:
    """Run a campaign on a mutant; says whether nothing was found, which must not be."""
    with tempfile.TemporaryDirectory(prefix="duly-mutant-") as folder:
        source = Path(folder) / "src"
        shutil.copytree(ROOT / "src", source)
        mutant.apply(source)
        kinds = [part for kind in mutant.faults for part in ("--only", kind)]
        command = [sys.executable, "-m", "tests.faults.campaign.run", "--events", EVENTS]
        command += ["--seconds", SECONDS, "--faults", "5", "--seed", "1", *kinds]
        command += ["--broker", mutant.broker] if mutant.broker else []
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(source), str(ROOT)])}
        done = subprocess.run(
            command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=600
        )
    lines = done.stdout.splitlines()
    told = next((line for line in lines if "violations" in line), "no verdict")
    # UNKNOWN, or no verdict at all, is no finding.
    is_found = lines[-1:] == ["FAIL"]
    print(f"{'found' if is_found else 'SURVIVED'}: {mutant.name}\n  {told}", flush=True)
    return not is_found


def main() -> int:
    """Try every mutant."""
    survivors = [mutant.name for mutant in MUTANTS if survives(mutant)]
    print(f"{len(MUTANTS) - len(survivors)} of {len(MUTANTS)} mutants were found")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
