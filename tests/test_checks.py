"""What cannot work is said when the project starts, by `manage.py check`."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks.registry import registry
from django.db import connections

from duly.checks import check_settings, check_sqlite
from duly.conf import config
from duly.errors import ConfigurationError


def _found(databases: list[str] | None = None) -> dict[str, str]:
    messages = [*check_settings(), *check_sqlite(databases=databases)]
    return {str(one.id): one.msg for one in messages}


def test_django_knows_the_checks() -> None:
    known = registry.get_checks()

    assert check_settings in known
    assert check_sqlite in known


def test_the_defaults_pass_every_check() -> None:
    assert _found() == {}


def test_sqlite_as_the_readme_sets_it_up_passes(database: str, settings: Any) -> None:
    settings.DULY = {"DATABASE": database}

    assert _found([database]) == {}


@pytest.mark.parametrize(
    ("duly", "message"),
    [
        pytest.param({"LEASE_SECOND": 3}, "did you mean 'LEASE_SECONDS'?", id="misspelt"),
        pytest.param({"MOON": 3}, "no setting 'MOON'; known: ['ASYNC", id="unknown"),
        pytest.param({"CONCURRENCY": 0}, "DULY['CONCURRENCY'] must be 1 or more, got 0", id="zero"),
        pytest.param({"CONCURRENCY": "16"}, "must be of type int, got '16'", id="text"),
        pytest.param({"STRICT": 1}, "must be of type bool, got 1", id="number-for-bool"),
        pytest.param({"POLL_SECONDS": -1}, "must be above 0, got -1", id="negative"),
        pytest.param(
            {"LEASE_SECONDS": 1.5},
            "at least twice HORIZON_SECONDS (1), got 1.5",
            id="contradiction",
        ),
        pytest.param(["DATABASE"], "DULY must be a dict", id="no-dict"),
    ],
)
def test_a_bad_setting_fails_the_check_with_its_value_and_the_rule(
    settings: Any, duly: Any, message: str
) -> None:
    settings.DULY = duly

    assert message in _found()["duly.E001"]
    assert check_sqlite(databases=["default"]) == []
    with pytest.raises(ConfigurationError):
        config()


def test_a_database_or_zone_data_that_is_not_there_fails_the_check(settings: Any) -> None:
    settings.DULY = {"DATABASE": "elsewhere", "TZDATA": "/nowhere"}

    assert set(_found()) == {"duly.E002", "duly.E004"}


def test_naive_datetimes_fail_the_check(settings: Any) -> None:
    settings.USE_TZ = False

    assert "duly.E003" in _found()


def test_sqlite_with_deferred_transactions_is_warned_of(
    database: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DULY = {"DATABASE": database}
    options = connections[database].settings_dict["OPTIONS"]
    monkeypatch.delitem(options, "transaction_mode", raising=False)

    assert ("duly.W001" in _found([database])) == (connections[database].vendor == "sqlite")


def test_a_hook_that_cannot_be_called_is_an_error(settings: Any) -> None:
    settings.DULY = {"REDACT": "no.such.module"}

    assert "DULY['REDACT'] cannot be imported" in _found()["duly.E005"]


def test_a_key_that_is_not_in_this_process_is_a_warning(settings: Any) -> None:
    services = {"crm": {"encryption": [{"env": "NO_SUCH_KEY"}]}}
    settings.DULY = {"SERVICES": services}

    assert "environment variable 'NO_SUCH_KEY', which is not set" in _found()["duly.W003"]
