"""The services that are registered in the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from duly.errors import ConfigurationError
from duly.models import Service
from duly.policy.http_target import HttpTarget
from duly.policy.secret_values import FromEnvironment
from duly.policy.service import service_from


def stored_services(using: str) -> dict[str, Mapping[str, Any]]:
    """Read the options of every service, by name."""
    return dict(Service.objects.using(using).values_list("name", "options"))


def put_service(using: str, name: str, options: Mapping[str, Any], now: datetime) -> None:
    """Register a service, or change it. Raises ConfigurationError where it cannot work."""
    check_service(name, options)
    Service.objects.using(using).update_or_create(
        name=name,
        defaults={"options": dict(options), "updated_at": now},
        create_defaults={"options": dict(options), "updated_at": now, "created_at": now},
    )


def check_service(name: str, options: Mapping[str, Any]) -> None:
    """Raise ConfigurationError where a service cannot work, or could not be kept in a table."""
    service = service_from(name, options)
    if isinstance(service.target, HttpTarget):
        _check_secrets(service.target)


def remove_service(using: str, name: str) -> bool:
    """Forget a service; what it has scheduled goes to handlers again. False: there is none."""
    return bool(Service.objects.using(using).filter(name=name).delete()[0])


def _check_secrets(target: HttpTarget) -> None:
    """Refuse a secret in plain text: whoever reads the table, or its backup, would have it."""
    if not all(isinstance(secret, FromEnvironment) for secret in target.secrets):
        raise ConfigurationError("secret must be named in the database, not given: {'env': 'NAME'}")
