"""A target that is down for an hour with 10,000 occurrences due, beside one that is well.

`python -m benchmarks.bad_target`: one engine on PostgreSQL, without the bad target (A) and with
it (B), in turn. The last minutes of the hour are run at its true pace, with the breaker's own
times; what came due earlier in the hour is there at the start, and has been put aside by the
engine before anything is measured. The lateness of those minutes stands for the whole hour's; from
the moment at which the target is tried with success, what is measured stands for itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import Counter
from pathlib import Path

from benchmarks.bad_target.run import HOUR, Found, Options, as_json, measure, percentile
from benchmarks.report import table

MOST_RATIO = 1.2
IN_FLIGHT = 16


def main() -> int:
    """Measure, print, and judge what was promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--down", type=float, default=120.0, help="seconds of the hour that run")
    parser.add_argument("--after", type=float, default=150.0, help="seconds of traffic after it")
    parser.add_argument("--bad", type=int, default=10_000, help="occurrences of the bad target")
    parser.add_argument("--good-rate", type=float, default=50.0, help="a second")
    parser.add_argument(
        "--answer-seconds", type=float, default=0.05, help="of the target, up again"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", metavar="FILE")
    given = vars(parser.parse_args())
    rounds, path = given.pop("rounds"), given.pop("json")
    options = Options(**given)
    print(f"the last {options.down:g} s of an hour, {options.bad} due in it", flush=True)
    runs: dict[str, list[Found]] = {"A": [], "B": []}
    for _ in range(rounds):
        for name, found in runs.items():
            found.append(measure(options, with_bad=name == "B"))
            print(f"{name}: {told(options, found[-1])}", flush=True)
    if path:
        kept = {name: [as_json(options, one) for one in found] for name, found in runs.items()}
        Path(path).write_text(json.dumps(kept))
    return judged(options, runs)


def told(options: Options, found: Found) -> str:
    """Say what came of one run."""
    late = [seconds for _, seconds in found.lateness]
    said = f"good: {len(late)} of {found.expected}, {_milliseconds(late)}"
    for name, phase in _phases(options, found).items():
        said += f"; {name} {_milliseconds(phase)}"
    if not found.statuses:
        return said
    after = Counter(int(at) for at in found.arrivals if at >= 0)
    return (
        f"{said}\n   bad: {dict(found.statuses)}, {found.attempts} attempts; "
        f"{sum(at < 0 for at in found.arrivals)} requests while it was down, {found.while_open} of "
        f"them while the breaker was open, which opened {found.openings} times"
        f"\n   up again: at most {found.most_at_once} requests at once, per second "
        f"{[after[second] for second in range(max(after, default=0) + 1)]}; all done after "
        f"{found.drained:.1f} s"
    )


def judged(options: Options, runs: dict[str, list[Found]]) -> int:
    """Print the table; gives 1 where a promise is broken."""
    rows = []
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        a, b = (
            statistics.median(percentile(weighed(one), share) for one in runs[run]) for run in "AB"
        )
        rows.append((f"good, {name}, ms", f"{1000 * a:.2f}", f"{1000 * b:.2f}", f"{b / a:.2f}"))
    print(table(("", "A: without", "B: with", "ratio"), rows, markdown=True))
    bounded = IN_FLIGHT / options.answer_seconds
    faults = [
        *(["p99 of the good"] if b / a > MOST_RATIO else []),
        *(["lost"] * any(len(one.lateness) != one.expected for one in (*runs["A"], *runs["B"]))),
        *(["lost"] * any(one.statuses != {"succeeded": options.bad} for one in runs["B"])),
        *(["spent while open"] * any(one.while_open for one in runs["B"])),
        *(["a storm"] * any(_peak(one) > bounded for one in runs["B"])),
        *(["a storm"] * any(one.most_at_once > IN_FLIGHT for one in runs["B"])),
    ]
    print(f"broken: {', '.join(faults)}" if faults else "all held")
    return 1 if faults else 0


def weighed(found: Found) -> list[tuple[float, float]]:
    """Give the lateness of the good (seconds), each with what it stands for (seconds)."""
    if not found.statuses:
        return [(late, 1.0) for _, late in found.lateness]
    before = [late for due, late in found.lateness if due < found.recovering]
    beside = [late for due, late in found.lateness if found.is_recovering(due)]
    lasted = found.recovered - found.recovering
    return [(late, HOUR / len(before)) for late in before] + [
        (late, lasted / len(beside)) for late in beside
    ]


def _peak(found: Found) -> int:
    return max(Counter(int(at) for at in found.arrivals if at >= 0).values(), default=0)


def _phases(options: Options, found: Found) -> dict[str, list[float]]:
    return {
        "while down": [late for due, late in found.lateness if due < found.recovering],
        "recovering": [late for due, late in found.lateness if found.is_recovering(due)],
    }


def _milliseconds(late: list[float]) -> str:
    if not late:
        return "none"
    alike = [(seconds, 1.0) for seconds in late]
    p50, p99 = (1000 * percentile(alike, share) for share in (0.5, 0.99))
    return f"p50 {p50:.2f} p99 {p99:.2f} ms"


if __name__ == "__main__":
    sys.exit(main())
