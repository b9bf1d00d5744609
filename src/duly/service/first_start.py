"""The first start on a database: an admin login and an API key, each shown once."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from duly import clock
from duly.access import keys
from duly.errors import ConfigurationError
from duly.policy.scopes import Scope
from duly.store import stamps

ADMIN = "admin"
SERVICE = "default"
PASSWORD_VARIABLE = "DULY_ADMIN_PASSWORD"  # noqa: S105 - the variable's name
_PASSWORD_BYTES = 18
_ACTOR = "first start"


@dataclass(frozen=True, slots=True)
class Login:
    """An admin login that has just been made."""

    user: str
    password: str
    """Empty: the one of DULY_ADMIN_PASSWORD."""


@dataclass(frozen=True, slots=True)
class Key:
    """An API key that has just been made."""

    service: str
    secret: str


def make_admin(using: str, environment: Mapping[str, str]) -> Login | None:
    """Make the login `admin`; None where this database has had one, or another makes it now.

    Raises ConfigurationError for a DULY_ADMIN_PASSWORD that is too easy.
    """
    given = environment.get(PASSWORD_VARIABLE, "")
    if given:
        try:
            validate_password(given)
        except ValidationError as error:
            raise ConfigurationError(f"{PASSWORD_VARIABLE}: {' '.join(error.messages)}") from None
    users = get_user_model()._default_manager.db_manager(using)
    with transaction.atomic(using):
        is_first = stamps.write_once(using, stamps.FIRST_ADMIN, {}, clock.now(using))
        if not is_first or users.filter(is_superuser=True).exists():
            return None
        password = given or secrets.token_urlsafe(_PASSWORD_BYTES)
        users.create_superuser(ADMIN, password=password)
    return Login(ADMIN, "" if given else password)


def make_key(using: str) -> Key | None:
    """Make an API key that may do everything; None where this database has or had one."""
    with transaction.atomic(using):
        is_first = stamps.write_once(using, stamps.FIRST_KEY, {}, clock.now(using))
        if not is_first or keys.list_keys():
            return None
        issued = keys.issue_key(SERVICE, "first key", list(Scope), actor=_ACTOR)
    return Key(SERVICE, issued.secret)
