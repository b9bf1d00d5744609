"""Logs as JSON: one line each, with the attempt and the trace that it was written in."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import duly
from duly import At, telemetry
from duly.exporters.logs import JsonFormatter
from tests.engine.conftest import Signals
from tests.exporters.spans import Spans, context_of

Start = Callable[..., Any]
Handle = Callable[..., None]
CANARY = "4111-1111-1111-1111"


class Lines(logging.Handler):
    """Keeps what is logged, as it would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def read(self, logger: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.lines]
        return [line for line in found if line["logger"] == logger]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Write the root's log, of INFO and above, as JSON."""
    root, found = logging.getLogger(), Lines()
    before = root.level
    root.addHandler(found)
    root.setLevel(logging.INFO)
    yield found
    root.removeHandler(found)
    root.setLevel(before)


def formatted(message: str, *args: object, **record: Any) -> dict[str, Any]:
    made = logging.LogRecord("shop", logging.INFO, "shop.py", 1, message, args, None)
    for name, value in record.items():
        setattr(made, name, value)
    line = JsonFormatter().format(made)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    found: dict[str, Any] = json.loads(line)
    return found


def now() -> At:
    return At.instant(datetime.now(UTC))


def test_a_handlers_own_lines_carry_its_attempt_and_its_span(
    start_engine: Start, handle: Handle, spans: Spans, lines: Lines
) -> None:
    def call(occurrence: duly.Occurrence) -> None:
        logging.getLogger("shop").info("called %s", "Ada")

    handle("call", call)
    event = duly.schedule_event("call", now(), service="shop")
    start_engine()

    span = context_of(spans.one("duly attempt call"))

    (line,) = lines.read("shop")
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo == UTC
    assert line == {
        "level": "INFO",
        "logger": "shop",
        "message": "called Ada",
        "event_type": "call",
        "service": "shop",
        "event_id": str(event.id),
        "occurrence_id": str(event.occurrences.get().id),
        "attempt": 1,
        "trace_id": f"{span.trace_id:032x}",
        "span_id": f"{span.span_id:016x}",
    }


def test_async_handlers_at_once_each_carry_their_own(
    start_engine: Start, handle: Handle, lines: Lines, signals: Signals
) -> None:
    async def call(occurrence: duly.Occurrence) -> None:
        logging.getLogger("shop").info("%s", occurrence.id)

    handle("call", call)
    duly.schedule_events([duly.NewEvent("call", now()) for _ in range(10)])
    start_engine()
    signals.wait("occurrences.recorded", 10)

    said = lines.read("shop")

    assert len(said) == 10
    assert all(line["message"] == line["occurrence_id"] for line in said)


def test_a_batch_says_how_many_it_is(
    start_engine: Start, handle: Handle, lines: Lines, signals: Signals
) -> None:
    handle("index", lambda batch: logging.getLogger("shop").info("in"), batch=3, within=60)
    duly.schedule_events([duly.NewEvent("index", now()) for _ in range(3)])
    start_engine()
    signals.wait("occurrences.recorded", 3)

    (line,) = lines.read("shop")

    assert (line["event_type"], line["batch"]) == ("index", 3)
    assert "occurrence_id" not in line


def test_a_firing_that_is_well_says_nothing_and_no_line_tells_of_a_payload(
    start_engine: Start, handle: Handle, lines: Lines, signals: Signals
) -> None:
    handle("call", lambda occurrence: None)
    duly.schedule_event("call", now(), payload={"card": CANARY}, key=CANARY)
    start_engine().stop()
    signals.wait("engine.stopped")

    assert lines.lines == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('x\n{"level": "ERROR"}', id="line-feed"),
        pytest.param("x\r\ny", id="carriage-return"),
        pytest.param("x\u2028y\u2029z\x85", id="unicode-line-ends"),
        pytest.param("x\x1b[31m\x00", id="control"),
        pytest.param('"}', id="quotes"),
        pytest.param("\ud800", id="lone-surrogate"),
    ],
)
def test_no_message_breaks_out_of_its_line(text: str) -> None:
    assert formatted("said %s", text)["message"] == f"said {text}"
    assert formatted("x", name=text)["logger"] == text


def test_an_exception_stays_on_its_line() -> None:
    try:
        raise ValueError("no\nanswer")
    except ValueError:
        said = formatted("failed", exc_info=sys.exc_info())

    assert said["exception"].startswith("Traceback (most recent call last):\n")
    assert said["exception"].endswith("ValueError: no\nanswer")


def test_a_timestamp_is_rfc_3339_in_utc_to_the_microsecond() -> None:
    assert formatted("x", created=1_780_000_000.0)["timestamp"] == "2026-05-28T20:26:40.000000Z"


def test_a_message_that_does_not_fit_its_arguments_is_told_without_them() -> None:
    said = formatted("%d of them", CANARY)

    assert said["message"] == "%d of them (TypeError when it was formatted)"


def test_what_duly_says_of_itself_comes_with_its_fields(lines: Lines) -> None:
    telemetry.emit("target.away", target="queue", error="ConnectionError()", wait_seconds=0.5)

    (line,) = lines.read("duly")
    assert line["level"] == "WARNING"
    assert line["fields"] == {
        "target": "queue",
        "error": "ConnectionError()",
        "wait_seconds": 0.5,
    }


HANDLERS = """
import logging
from duly import handler

@handler("call")
def call(occurrence):
    logging.getLogger("shop").warning("called\\nagain")
"""


def run_alone(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `duly` standing alone in a folder."""
    environment = os.environ | {"DULY_HANDLERS": "shop", **variables}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    return subprocess.run(
        [sys.executable, "-m", "duly", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "variables"),
    [
        pytest.param(["--log", "json"], {}, id="option"),
        pytest.param([], {"DULY_LOG_FORMAT": "json"}, id="environment"),
    ],
)
def test_an_engine_that_stands_alone_writes_json(
    tmp_path: Path, option: list[str], variables: dict[str, str]
) -> None:
    (tmp_path / "shop.py").write_text(HANDLERS)
    scheduled = run_alone(tmp_path, "schedule", "call", "2026-01-01T09:00", "--tz", "UTC")
    assert scheduled.returncode == 0, scheduled.stderr

    ran = run_alone(tmp_path, "run", "--once", *option, **variables)

    assert ran.returncode == 0, ran.stderr
    (line,) = ran.stderr.splitlines()
    said = json.loads(line)
    assert (said["message"], said["event_type"], said["attempt"]) == ("called\nagain", "call", 1)


def test_an_unknown_format_is_refused_by_name(tmp_path: Path) -> None:
    ran = run_alone(tmp_path, "run", "--once", DULY_LOG_FORMAT="xml")

    assert ran.returncode != 0
    assert "DULY_LOG_FORMAT must be text or json, got 'xml'" in ran.stderr
