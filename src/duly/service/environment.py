"""The DULY settings, from variables of the environment."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from duly.conf import SCALARS, Config
from duly.errors import ConfigurationError

PREFIX = "DULY_"
# Alone, duly has one database, which DULY_DATABASE_URL names, and nobody's apps: DULY_HANDLERS
# names modules wherever they are.
NOT_FROM_HERE = frozenset({"database", "handler_modules"})
LOG_FORMATS = ("text", "json")
WORDS = {"true": True, "yes": True, "on": True, "1": True}
WORDS |= {"false": False, "no": False, "off": False, "0": False}


def settings_from(environment: Mapping[str, str]) -> dict[str, Any]:
    """Read `DULY_<NAME>` for every setting that `duly.conf.Config` has.

    Gives the settings dict of those that are set. Raises ConfigurationError naming the
    variable, its value and what it must be.
    """
    found: dict[str, Any] = {}
    for field in fields(Config):
        variable = PREFIX + field.name.upper()
        if variable not in environment or field.name in NOT_FROM_HERE:
            continue
        text = environment[variable]
        if field.name in SCALARS:
            found[field.name.upper()] = _typed(variable, text, type(field.default))
        else:
            found[field.name.upper()] = _json(variable, text)
    return found


def names_in(text: str) -> list[str]:
    """Split a list of names, parted by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def log_format_in(environment: Mapping[str, str]) -> str:
    """Read `DULY_LOG_FORMAT`: "text", as it is by default, or "json". Raises ConfigurationError."""
    found = environment.get(PREFIX + "LOG_FORMAT", "text")
    if found not in LOG_FORMATS:
        raise ConfigurationError(
            f"{PREFIX}LOG_FORMAT must be {' or '.join(LOG_FORMATS)}, got {found!r:.60}"
        )
    return found


def _json(variable: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        # Not the text itself: there are secrets in it.
        raise ConfigurationError(f"{variable} must be JSON: {error}") from None


def _typed(variable: str, text: str, expected: type) -> Any:
    try:
        if expected is bool:
            return WORDS[text.strip().lower()]
        value = expected(text)
    except (KeyError, ValueError):
        raise ConfigurationError(f"{variable} must be {_NAMES[expected]}, got {text!r}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(f"{variable} must be {_NAMES[expected]}, got {text!r}")
    return value


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
