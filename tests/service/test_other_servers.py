"""The project under any server: WSGI, ASGI, and Celery's workers."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.service.conftest import HANDLERS
from tests.service.serving import WAIT_SECONDS, Serving, await_condition, duly, environment_of

ASK_WSGI = """
from wsgiref.util import setup_testing_defaults
from duly.service.wsgi import application
environ = {"PATH_INFO": "/api/events/upcoming", "HTTP_HOST": "localhost"}
setup_testing_defaults(environ)
def start_response(status, headers):
    print(status)
b"".join(application(environ, start_response))
"""
ASK_ASGI = """
import asyncio
from duly.service.asgi import application

async def main():
    scope = {"type": "http", "method": "GET", "path": "/ready", "headers": [], "query_string": b""}
    asked = iter([{"type": "http.request", "body": b""}])
    async def receive():
        for message in asked:
            return message
        await asyncio.sleep(3600)
    async def send(message):
        print(message.get("status", message.get("body")))
    await application(scope, receive, send)

asyncio.run(main())
"""


def _python(folder: Path, code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment_of(folder),
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=True,
    ).stdout


def test_wsgi_and_asgi_have_the_same_project_once_there_are_tables(tmp_path: Path) -> None:
    assert duly(tmp_path, "upcoming").returncode == 0

    assert _python(tmp_path, ASK_WSGI).startswith("401 ")
    assert _python(tmp_path, ASK_ASGI).startswith("200")


def test_what_goes_through_celery_is_run_by_the_services_own_workers(
    tmp_path: Path, redis_url: str
) -> None:
    pytest.importorskip("celery")
    (tmp_path / "notes.py").write_text(HANDLERS)
    variables = {
        "DULY_HANDLERS": "notes",
        "DULY_CELERY_BROKER_URL": redis_url,
        "DULY_SERVICES": '{"desk": {"target": "celery", "queue": "of-the-service"}}',
    }
    with ExitStack() as stack:
        stack.enter_context(Serving(tmp_path, ("--no-api", "--no-admin"), variables))
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "--app", "duly.service.celery", "worker"),
                *("--queues", "of-the-service", "--pool", "solo", "--loglevel", "error"),
            ],
            cwd=tmp_path,
            env=environment_of(tmp_path, **variables),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(worker.wait, WAIT_SECONDS)
        stack.callback(worker.terminate)
        done = duly(
            tmp_path, "schedule", "note", "every 1s", "--max", "1", "--service", "desk", **variables
        )
        assert done.returncode == 0, done.stderr

        await_condition((tmp_path / "noted").exists)


def test_a_broker_without_celery_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['celery'] = None")

    done = duly(tmp_path, "run", "--once", DULY_CELERY_BROKER_URL="redis://127.0.0.1:1/0")

    assert done.returncode == 2
    assert "DULY_CELERY_BROKER_URL needs Celery: pip install 'duly[celery]'" in done.stderr
