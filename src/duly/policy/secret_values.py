"""Values that nobody should read: kept apart from settings, and never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from duly.errors import ConfigurationError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class FromEnvironment:
    """A value that is in an environment variable, and is read when it is used."""

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"env must be the name of an environment variable, got {self.name!r:.60}"
            )


SecretValue = str | FromEnvironment


def secret_value(where: str, data: object) -> SecretValue:
    """Read a value as settings or a database have it: text, or {"env": "NAME"}.

    Raises ConfigurationError, which names `where` and does not repeat the value.
    """
    if isinstance(data, (str, FromEnvironment)):
        return data
    if isinstance(data, Mapping) and set(data) == {"env"}:
        return FromEnvironment(data["env"])
    raise ConfigurationError(
        f'{where} must be text or {{"env": "NAME"}}, got {type(data).__name__}'
    )


def reveal(where: str, value: SecretValue, environment: Mapping[str, str]) -> str:
    """Give the value itself. Raises ConfigurationError where its variable is not set."""
    if isinstance(value, str):
        return value
    found = environment.get(value.name)
    if not found:
        raise ConfigurationError(
            f"{where} is to be read from the environment variable {value.name!r}, which is not "
            "set in this process; set it where the engine is started"
        )
    return found
