"""Handlers are found by themselves, and the package can be imported before Django is ready."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from duly import registry
from duly.conf import parse
from duly.errors import ConfigurationError, DuplicateHandler, InvalidEvent
from duly.registry import handler


def _python(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_handlers_py_of_an_installed_app_is_found(tmp_path: Path) -> None:
    app = tmp_path / "clinic"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "handlers.py").write_text(
        "import duly\n@duly.handler('Appointment_Reminder')\nasync def remind(occurrence): ...\n"
    )

    done = _python(
        tmp_path,
        "from django.conf import settings\n"
        "settings.configure(INSTALLED_APPS=['duly', 'clinic'], USE_TZ=True)\n"
        "import django; django.setup()\n"
        "from duly import registry\n"
        "found = registry.require('appointment_reminder')\n"
        "print(found.function.__module__, found.is_async)",
    )

    assert (done.stdout.split(), done.stderr) == (["clinic.handlers", "True"], "")


def test_other_modules_of_apps_are_found_where_a_setting_names_them(tmp_path: Path) -> None:
    app = tmp_path / "clinic"
    (app / "jobs").mkdir(parents=True)
    for package in (app, app / "jobs"):
        (package / "__init__.py").touch()
    (app / "handlers.py").write_text("import duly\n@duly.handler('a')\ndef a(one): ...\n")
    (app / "reminders.py").write_text("import duly\n@duly.handler('b')\ndef b(one): ...\n")
    (app / "jobs" / "daily.py").write_text("import duly\n@duly.handler('c')\ndef c(one): ...\n")

    done = _python(
        tmp_path,
        "from django.conf import settings\n"
        "named = {'HANDLER_MODULES': ['reminders', 'jobs.daily', 'nowhere']}\n"
        "settings.configure(INSTALLED_APPS=['duly', 'clinic'], USE_TZ=True, DULY=named)\n"
        "import django; django.setup()\n"
        "from duly import registry\n"
        "print(*(registry.require(name).function.__module__ for name in 'abc'))\n"
        "from django.core.checks import run_checks\n"
        "print(*(one.msg for one in run_checks() if one.id == 'duly.W004'), sep='\\n')",
    )

    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "clinic.handlers clinic.reminders clinic.jobs.daily",
        "DULY['HANDLER_MODULES'] names 'nowhere', which no installed app has",
    ]


@pytest.mark.parametrize("named", ["reminders", ["clinic/reminders.py"], [7], {"reminders"}])
def test_what_names_no_modules_is_refused(named: object) -> None:
    with pytest.raises(ConfigurationError, match=r"DULY\['HANDLER_MODULES'\] must be a list of"):
        parse({"HANDLER_MODULES": named})


def test_a_database_url_is_read_in_a_settings_module(tmp_path: Path) -> None:
    done = _python(
        tmp_path,
        "import duly\n"
        "found = duly.database_from_url('sqlite:///clinic.sqlite3')\n"
        "print(found['NAME'], found['OPTIONS']['transaction_mode'])",
    )

    assert (done.stdout, done.stderr) == ("clinic.sqlite3 IMMEDIATE\n", "")


def test_the_public_names_can_be_imported_in_a_settings_module(tmp_path: Path) -> None:
    done = _python(
        tmp_path, "import duly; from duly import At, Cron, Every, Retry, handler; print('ready')"
    )

    assert (done.stdout, done.stderr) == ("ready\n", "")


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    import duly

    with pytest.raises(AttributeError, match="no attribute 'shedule_event'"):
        _ = duly.shedule_event


def test_two_handlers_of_one_type_are_refused_and_the_same_one_twice_is_not() -> None:
    def first(occurrence: object) -> None: ...
    def second(occurrence: object) -> None: ...

    handler("twice")(first)
    handler("twice")(first)
    try:
        with pytest.raises(
            DuplicateHandler, match=r"'twice' has two handlers: .*first and .*second"
        ):
            handler("twice")(second)
    finally:
        registry.unregister("twice")


def test_a_handler_with_a_senseless_timeout_or_type_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="timeout of handler 'x' must be above zero"):
        handler("x", timeout=0)
    with pytest.raises(InvalidEvent, match="event type 'a b'"):
        handler("a b")
