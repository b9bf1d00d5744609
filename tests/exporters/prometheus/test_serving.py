"""Where metrics are served: in a project's URLs, from a port of an engine, for many processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from duly.errors import AddressTaken
from duly.exporters import metrics as process_wide
from duly.exporters import prometheus
from duly.exporters.metrics import Metrics
from duly.exporters.scrapes import Scrapes
from duly.telemetry import emit
from duly.testing.processes import free_port
from tests.exporters.prometheus.scraping import Scrape
from tests.service.serving import WAIT_SECONDS, await_condition, duly, environment_of

TOKEN = "scrape-me-if-you-can"


@pytest.fixture
def scrapes(database: str) -> Iterator[Scrapes]:
    made = Metrics(database, named=True)
    served = Scrapes("127.0.0.1", 0, made.expose)
    yield served
    served.close()
    made.close()


def get(port: int, path: str = "/metrics") -> Scrape:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=WAIT_SECONDS) as answer:
        return Scrape.of(answer.read().decode())


def answers(port: int) -> bool:
    try:
        return bool(get(port).values)
    except OSError:
        return False


def ask(token: str = "", method: str = "get", **headers: str) -> HttpResponse:
    request = getattr(RequestFactory(), method)("/metrics/", headers=headers)
    return prometheus.view(request, token=token)


def test_a_project_serves_them_by_one_line_in_its_urls(database: str, settings: Any) -> None:
    settings.DULY = {"DATABASE": database}
    emit("occurrences.skipped", count=0, reason="expired")

    answer = ask()

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert answer.headers["Cache-Control"] == "no-store"
    found = Scrape.of(answer.content.decode())
    assert found["duly_due"] == 0
    assert found["duly_emitted_total", "occurrences.skipped"] >= 1
    assert ask(method="post").status_code == 405


def test_the_view_may_ask_for_a_token(database: str, settings: Any) -> None:
    settings.DULY = {"DATABASE": database}

    assert ask(TOKEN).status_code == 401
    assert ask(TOKEN).headers["WWW-Authenticate"] == "Bearer"
    assert ask(TOKEN, Authorization="Bearer wröng").status_code == 401
    assert ask(TOKEN, Authorization=f"Bearer {TOKEN}").status_code == 200


def test_a_process_without_a_web_answers_from_a_thread(scrapes: Scrapes) -> None:
    found = get(scrapes.port)

    assert found["duly_database_up"] == 1
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(scrapes.port, "/admin/")


def test_a_port_that_is_taken_is_refused_with_a_way_out(scrapes: Scrapes) -> None:
    with pytest.raises(AddressTaken, match=r"port \d+: Address already in use; --metrics-port"):
        Scrapes("127.0.0.1", scrapes.port, lambda accept: (b"", ""))


def test_there_is_one_registry_in_a_process() -> None:
    assert process_wide.shared() is process_wide.shared()


def test_each_of_several_engines_serves_its_own_from_the_next_port(
    tmp_path: Path,
) -> None:
    (tmp_path / "notes.py").write_text(
        "import duly\n\n@duly.handler('note')\ndef note(occurrence):\n    pass\n"
    )
    variables = environment_of(tmp_path, DULY_HANDLERS="notes")
    first = free_port(adjacent=2)
    command = ["-m", "duly", "run", "--processes", "2", "--metrics-port", str(first)]
    engines = subprocess.Popen([sys.executable, *command], cwd=tmp_path, env=variables)
    ports = (first, first + 1)
    try:
        await_condition(lambda: all(map(answers, ports)))
        done = duly(tmp_path, "schedule", "note", "every 1s", "--max", "1", DULY_HANDLERS="notes")
        assert done.returncode == 0, done.stderr

        def fired() -> list[float]:
            key = ("duly_attempts_total", "note", "succeeded")
            return [get(port).values.get(key, 0) for port in ports]

        await_condition(lambda: sum(fired()) == 1)
        assert [get(port)["duly_engine_up"] for port in ports] == [1, 1]
    finally:
        engines.send_signal(signal.SIGTERM)
        assert engines.wait(WAIT_SECONDS) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metrics-port", "0"], "--metrics-port must be 1 to 65535 for --processes 1, got 0"),
        (
            ["--metrics-port", "65535", "--processes", "2"],
            "--metrics-port must be 1 to 65534 for --processes 2, got 65535",
        ),
    ],
)
def test_a_port_that_cannot_be_is_refused(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    done = duly(tmp_path, "run", *arguments)

    assert (done.returncode, done.stderr) == (2, f"duly: error: {message}\n")


SHARED = """
import os

import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["duly"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
from django.core.management import call_command

call_command("migrate", verbosity=0)

from duly.exporters.metrics import shared
from duly.telemetry import emit

shared()
for _ in range(3):
    child = os.fork()
    if not child:
        emit("occurrences.started", count=2, refused=0, late_seconds=[0.01, 0.02])
        os._exit(0)
    os.waitpid(child, 0)
emit("occurrences.started", count=1, refused=0, late_seconds=[0.01])
print(shared().expose()[0].decode())
"""


def test_processes_that_share_a_folder_are_counted_together(tmp_path: Path) -> None:
    variables = environment_of(tmp_path, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SHARED],
        env=variables,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    found = Scrape.of(done.stdout)

    assert found["duly_occurrences_total", "started"] == 7
    assert found["duly_lateness_seconds_count"] == 7
    assert found["duly_due"] == 0
