"""What the bench says: one line as each phase ends, and the verdict, as text and as data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from duly.bench.measurements import MOST_TOLD, Burst, Kill, Measurements
from duly.bench.promises import THRESHOLDS, promises, share_within, times_the_most
from duly.cli.tables import bold, table, visible
from duly.demo.verdict import Verdict, quantile

_SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
_LABEL, _VALUE = 20, 12


def opening(database: str, where: str, release: str, engines: int, seconds: float) -> str:
    """Say on what it runs, before anything is measured."""
    return visible(
        f"duly bench on {database} ({where}): {engines} engines, {os.cpu_count()} CPUs, "
        f"time zones from tzdata {release}; about {seconds:g} s"
    )


def line(label: str, value: str, note: str = "") -> str:
    """Lay out one measurement under the others."""
    return visible(f"  {label:<{_LABEL}}{value:>{_VALUE}}  {note}".rstrip())


def burst_lines(burst: Burst) -> str:
    """Say how long the engines took to start, and how fast the burst went."""
    start = line("engines start", f"{burst.start:.1f} s", "until each fires; not in what follows")
    unfinished = "" if burst.fired == burst.events else f", {burst.events - burst.fired} missing"
    note = f"{burst.fired:,} events due at once, gone in {burst.seconds:.1f} s{unfinished}"
    return f"{start}\n{line('burst', f'{burst.rate:,.0f}/s', note)}"


def punctual_line(verdict: Verdict) -> str:
    """Say how punctual it was."""
    values = lateness(verdict.on_time)
    note = ", ".join(f"{name} {value:g}" for name, value in values.items() if name != "p50")
    count = f"{verdict.fired:,} of {verdict.acknowledged:,} events at 10,000/minute"
    return line("lateness p50", f"{values['p50']:g} ms", f"{note} ms; {count}")


def kill_line(kill: Kill) -> str:
    """Say what became of what the killed engine held."""
    late = lateness(kill.verdict.late)
    note = (
        f"of {kill.verdict.acknowledged:,} lost; one engine killed after {kill.after:.1f} s, which "
        f"held {kill.held}: {kill.verdict.rescued} taken over"
    )
    if kill.verdict.rescued:
        note += f", {late['max'] / 1000:.1f} s late at most"
    return line("kill", f"{kill.verdict.lost}", note)


def verdict_lines(found: Measurements) -> Iterator[str]:
    """Say which promises were kept, and what speaks against the others."""
    yield ""
    told = promises(found)
    rows = [
        (str(one.number), one.name, one.promised, one.measured, _word(one.kept)) for one in told
    ]
    yield table(("", "promise", "promised", "measured", "verdict"), rows)
    for name, rate in THRESHOLDS:
        times = f"{_short(found.burst.rate / rate)} times"
        yield line(f"   {name}", times, _word(found.burst.rate >= rate))
    yield from (f"  {visible(one)}" for one in against(found))
    yield "Promise 4 is what minutes can show: that nothing needed a hand. A week is yours to see."
    kept = sum(one.kept for one in told)
    yield bold(f"{_word(kept == len(told))}: {kept} of {len(told)} promises kept")


def against(found: Measurements) -> Iterator[str]:
    """Give the evidence against the promises: the first of what was wrong."""
    yield from (f"wrong: {one}" for one in found.accuracy.wrong[:MOST_TOLD])
    yield from (f"warning: {one}" for one in found.care.warnings[:MOST_TOLD])
    yield from (f"ledger: {one}" for one in found.care.disagreements[:MOST_TOLD])
    for name, verdict in (("punctuality", found.punctual), ("kill", found.kill.verdict)):
        if not verdict.passed:
            yield (
                f"{name}: {verdict.lost} lost, {verdict.early} early, "
                f"{verdict.phantom} that nobody had scheduled"
            )


def to_json(found: Measurements, where: dict[str, Any]) -> dict[str, Any]:
    """Give all of it as data; lateness in milliseconds, everything else in seconds."""
    told = promises(found)
    return {
        "passed": all(one.kept for one in told),
        **where,
        "seconds": round(found.seconds, 1),
        "promises": [asdict(one) for one in told],
        "limits": asdict(found.limits),
        "accuracy": asdict(found.accuracy),
        "burst": asdict(found.burst)
        | {"rate": found.burst.rate, "times_10000_per_minute": times_the_most(found.burst)},
        "punctuality": _books(found.punctual)
        | {
            "within_minute": share_within(found.punctual, 60.0),
            "within_100_ms": share_within(found.punctual, 0.1),
        },
        "kill": _books(found.kill.verdict)
        | {
            "after": round(found.kill.after, 2),
            "held": found.kill.held,
            "untold": found.kill.untold,
            "rescued_lateness_ms": lateness(found.kill.verdict.late),
        },
        "care": asdict(found.care),
    }


def lateness(ascending: tuple[float, ...]) -> dict[str, float]:
    """Give the quantiles of lateness, in milliseconds."""
    return {name: round(1000 * quantile(ascending, share), 1) for name, share in _SHARES.items()}


def _books(verdict: Verdict) -> dict[str, Any]:
    names = ("acknowledged", "fired", "lost", "early", "phantom", "duplicates", "rescued")
    return {name: getattr(verdict, name) for name in names} | {
        "lateness_ms": lateness(verdict.on_time)
    }


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _word(kept: bool) -> str:
    return "PASS" if kept else "FAIL"
