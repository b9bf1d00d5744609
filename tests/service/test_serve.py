"""`duly serve`: what runs in its one process, and how it stops."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.service.serving import (
    WAIT_SECONDS,
    Answer,
    Serving,
    await_condition,
    duly,
    environment_of,
)

PROJECT_URLS = """
import time
from django.http import HttpResponse
from django.urls import path

def slow(request):
    print('{"name": "asked"}', flush=True)
    time.sleep(1)
    return HttpResponse("answered")

urlpatterns = [path("slow", slow), path("", lambda request: HttpResponse("the clinic's own"))]
"""
PROJECT_SETTINGS = """
from duly.service.database_url import sqlite_database
from pathlib import Path

DATABASES = {"default": sqlite_database(Path("clinic.sqlite3"))}
INSTALLED_APPS = ["duly"]
ROOT_URLCONF = "urls"
SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
MIDDLEWARE = ["duly.service.probes.ProbesMiddleware"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Django project of somebody's, with pages of its own."""
    (tmp_path / "urls.py").write_text(PROJECT_URLS)
    (tmp_path / "clinic_settings.py").write_text(PROJECT_SETTINGS)
    return tmp_path


def in_project(project: Path, *arguments: str) -> Serving:
    """Serve it as its manage.py does."""
    variables = {"DJANGO_SETTINGS_MODULE": "clinic_settings"}
    duly_migrate = environment_of(project, **variables)
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--verbosity", "0"],
        cwd=project,
        env=duly_migrate,
        check=True,
    )
    return Serving(project, arguments, variables, program=("-m", "django", "duly"))


def test_a_project_without_tables_is_told_to_migrate(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "django", "duly", "serve", "--port", "0"],
        cwd=project,
        env=environment_of(project, DJANGO_SETTINGS_MODULE="clinic_settings"),
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == (
        "duly: error: the database has no tables of duly yet: run 'manage.py migrate'\n"
    )


def test_an_idle_project_stops_without_a_word_of_threads(project: Path) -> None:
    with in_project(project) as serving:
        serving.get("/")
        code, said = serving.end()

    assert code == 0
    assert "thread" not in said


def test_a_command_beside_a_project_s_manage_py_says_whose_database_it_uses(tmp_path: Path) -> None:
    (tmp_path / "manage.py").touch()

    done = duly(tmp_path, "dead")

    assert done.returncode == 0
    assert done.stderr == (
        "duly: alone, with a database of its own; "
        "'manage.py duly dead' would use that of the project here\n"
    )


def test_what_another_process_schedules_is_fired_by_its_engine(service: Serving) -> None:
    done = duly(service.folder, "schedule", "note", "every 1s", "--max", "1", DULY_HANDLERS="notes")
    assert done.returncode == 0, done.stderr

    await_condition((service.folder / "noted").exists)


def test_it_fires_on_postgresql_as_well(tmp_path: Path, crashable_postgres_url: str) -> None:
    variables = {"DULY_DATABASE_URL": crashable_postgres_url}
    (tmp_path / "notes.py").write_text(
        "import duly, pathlib\n"
        "@duly.handler('note')\n"
        "def note(occurrence): pathlib.Path('noted').touch()\n"
    )
    variables["DULY_HANDLERS"] = "notes"

    with Serving(tmp_path, variables=variables) as serving:
        assert serving.said["service.started"]["database"].startswith("PostgreSQL")
        duly(tmp_path, "schedule", "note", "every 1s", "--max", "1", **variables)
        await_condition((tmp_path / "noted").exists)
        code, _ = serving.end()

    assert code == 0


def test_sigterm_lets_a_request_be_answered_and_ends_well(project: Path) -> None:
    with in_project(project) as serving:
        answers: list[Answer] = []
        idle = serving.connect()
        idle.request("GET", "/")
        idle.getresponse().read()
        asking = threading.Thread(target=lambda: answers.append(serving.get("/slow")))
        asking.start()
        assert serving.process.stdout
        assert "asked" in serving.process.stdout.readline()

        code, said = serving.end()
        asking.join()

    assert [(one.status, one.text) for one in answers] == [(200, "answered")]
    assert code == 0
    assert '"name": "engine.stopped"' in said
    assert '{"name": "service.stopped", "clean": true}' in said


def test_nobody_is_let_in_once_it_stops(project: Path) -> None:
    with in_project(project) as serving:
        asking = threading.Thread(target=lambda: serving.get("/slow"))
        asking.start()
        assert serving.process.stdout
        serving.process.stdout.readline()

        serving.process.send_signal(signal.SIGTERM)

        await_condition(lambda: not serving.listens())
        assert serving.process.poll() is None
        asking.join()


def test_a_second_signal_ends_it_at_once(project: Path) -> None:
    with in_project(project) as serving:
        asking = threading.Thread(target=_ask_in_vain, args=(serving,))
        asking.start()
        assert serving.process.stdout
        serving.process.stdout.readline()

        serving.process.send_signal(signal.SIGINT)
        await_condition(lambda: not serving.listens())
        code, said = serving.end(signal.SIGINT)
        asking.join()

    assert code == 128 + signal.SIGINT
    assert "service.stopped" not in said


def _ask_in_vain(serving: Serving) -> None:
    with pytest.raises(ConnectionError):
        serving.get("/slow")


def test_in_a_project_its_own_pages_are_served_and_an_engine_runs(project: Path) -> None:
    with in_project(project) as serving:
        assert serving.get("/").text == "the clinic's own"
        await_condition(lambda: serving.get("/ready").status == 200)
        assert serving.get("/ready").data["checks"]["engine"] == {"ok": True}
        assert {"service.admin_made", "service.key_made"}.isdisjoint(serving.said)


def test_in_a_project_its_parts_are_the_projects_own_affair(project: Path) -> None:
    done = duly(project, "serve", "--no-api", DJANGO_SETTINGS_MODULE="clinic_settings")

    assert done.returncode == 2
    assert "a project's urls.py says what is there" in done.stderr


@pytest.mark.parametrize(
    ("switch", "gone", "there", "home"),
    [
        pytest.param("--no-api", "/api/docs", "/admin/login/", "/admin/", id="no-api"),
        pytest.param("--no-admin", "/admin/login/", "/api/docs", "/api/docs", id="no-admin"),
    ],
)
def test_a_part_can_be_switched_off(
    tmp_path: Path, switch: str, gone: str, there: str, home: str
) -> None:
    with Serving(tmp_path, arguments=(switch, "--no-engine")) as serving:
        assert serving.get(gone).status == 404
        assert serving.get(there).status == 200
        assert serving.get("/").headers["location"] == home
        made = {name for name in serving.said if name.endswith("_made")}

    assert made == ({"service.admin_made"} if switch == "--no-api" else {"service.key_made"})


def test_without_an_engine_nothing_fires_and_ready_asks_for_none(tmp_path: Path) -> None:
    with Serving(tmp_path, arguments=("--no-engine",)) as serving:
        ready = serving.get("/ready").data
        metrics = serving.get("/metrics").text

    assert set(ready["checks"]) == {"database", "elsewhere", "lateness"}
    assert "duly_engine_up" not in metrics
    assert "duly_lateness_seconds_count 0.0" in metrics


def test_commands_and_engines_need_nothing_of_what_serves(tmp_path: Path) -> None:
    blocked = "import sys\nfor name in ('ninja', 'waitress', 'whitenoise', 'prometheus_client'):\n"
    (tmp_path / "sitecustomize.py").write_text(blocked + "    sys.modules[name] = None\n")

    run = duly(tmp_path, "run", "--once")
    serve = duly(tmp_path, "serve")

    assert run.returncode == 0, run.stderr
    assert serve.returncode == 2
    assert "pip install 'duly[server]'" in serve.stderr
    assert serve.stderr.count("\n") == 1
