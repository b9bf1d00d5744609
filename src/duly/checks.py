"""System checks: what cannot work is said when the project starts, not at 03:00."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.utils.module_loading import autodiscover_modules

from duly.civil import zones
from duly.conf import Config, config
from duly.encryption import read_key
from duly.errors import DulyError
from duly.redaction import redact_hook


def choose_tzdata() -> None:
    """Put the time zone data that the settings name in use; `check_settings` says what fails."""
    with suppress(DulyError):
        zones.use(config().tzdata)


def discover_handlers() -> None:
    """Import the modules of installed apps that hold handlers; raises what they raise."""
    named: Sequence[str] = ()
    with suppress(DulyError):  # `check_settings` says what fails.
        named = config().handler_modules
    autodiscover_modules("handlers", *named)


@register()
def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """duly.E001 to E006, W003, W004: the settings, the time zone data, USE_TZ, what they name."""
    try:
        current = config()
    except DulyError as error:
        return [Error(str(error), id="duly.E001")]
    found: list[CheckMessage] = []
    try:
        zones.use(current.tzdata)
    except DulyError as error:
        found.append(Error(str(error), hint="Set DULY['TZDATA'] to 'wheel'.", id="duly.E002"))
    try:
        redact_hook()
    except DulyError as error:
        found.append(Error(str(error), id="duly.E005"))
    found += _keys_that_are_missing(current)
    found += _modules_that_are_missing(current)
    if not settings.USE_TZ:
        found.append(
            Error(
                "USE_TZ is False: instants would be stored without their offset",
                hint="Set USE_TZ = True.",
                id="duly.E003",
            )
        )
    if current.database not in settings.DATABASES:
        found.append(
            Error(
                f"DULY['DATABASE'] is {current.database!r}, which DATABASES does not have",
                hint=f"Known: {sorted(settings.DATABASES)}.",
                id="duly.E004",
            )
        )
    if current.jwt is not None:
        # Imported here: most projects have no need of what fetches keys.
        from duly.access.tokens import check_keys

        try:
            check_keys(current.jwt)
        except DulyError as error:
            found.append(Error(f"DULY['JWT']: {error}", id="duly.E006"))
    return found


def _keys_that_are_missing(current: Config) -> Iterable[CheckMessage]:
    for service in current.services.values():
        for source in service.encryption.keys if service.encryption else ():
            try:
                read_key(service.name, source)
            except DulyError as error:
                hint = "What is encrypted with it cannot be delivered from this process."
                yield checks.Warning(str(error), hint=hint, id="duly.W003")


def _modules_that_are_missing(current: Config) -> Iterable[CheckMessage]:
    # What is there was imported when Django started.
    apps_there = [config.name for config in apps.get_app_configs()]
    for name in current.handler_modules:
        if not any(f"{app}.{name}" in sys.modules for app in apps_there):
            said = f"DULY['HANDLER_MODULES'] names {name!r}, which no installed app has"
            hint = "Name a module within an app: 'reminders' for clinic/reminders.py."
            yield checks.Warning(said, hint=hint, id="duly.W004")


@register(Tags.database)
def check_sqlite(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> Iterable[CheckMessage]:
    """duly.W001, W002: SQLite without IMMEDIATE transactions or without its write-ahead log."""
    try:
        alias = config().database
    except DulyError:
        return []  # check_settings has said it.
    if alias not in (databases or ()) or connections[alias].vendor != "sqlite":
        return []
    connection = connections[alias]
    found: list[CheckMessage] = []
    if connection.settings_dict["OPTIONS"].get("transaction_mode", "").upper() != "IMMEDIATE":
        found.append(
            checks.Warning(
                "SQLite transactions begin deferred: two writers fail with 'database is locked'",
                hint=f"Set DATABASES[{alias!r}]['OPTIONS']['transaction_mode'] = 'IMMEDIATE'.",
                id="duly.W001",
            )
        )
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        mode = cursor.fetchone()[0]
    if mode not in ("wal", "memory"):
        found.append(
            checks.Warning(
                f"SQLite's journal mode is {mode!r}: readers and the writer wait for each other",
                hint=f"Set DATABASES[{alias!r}]['OPTIONS']['init_command'] = "
                "'PRAGMA journal_mode=WAL'.",
                id="duly.W002",
            )
        )
    return found
