"""The secret key of the standalone project: given, or made once and kept beside the database."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from duly.errors import ConfigurationError

VARIABLE = "DULY_SECRET_KEY"
SHORTEST = 32
_BYTES = 48


def secret_key(environment: Mapping[str, str], beside: Path) -> str:
    """Give DULY_SECRET_KEY; where it is unset, the key in a file, which is made if need be.

    beside: the database's file: `duly.sqlite3` has its key in `duly.secret-key`, which only
        its owner can read. Processes that start at once come to have the same.

    Raises ConfigurationError for a key that is short, or a file that cannot be had.
    """
    given = environment.get(VARIABLE, "")
    if given:
        return _checked(given, VARIABLE)
    path = beside.with_suffix(".secret-key")
    try:
        if not path.exists():
            _make(path)
        return _checked(path.read_text().strip(), str(path))
    except OSError as error:
        raise ConfigurationError(
            f"the secret key cannot be kept in {path} ({error.strerror}): set {VARIABLE}"
        ) from error


def _make(path: Path) -> None:
    """Write it whole under another name first: whoever finds the file finds all of the key."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "w") as text:
            text.write(secrets.token_urlsafe(_BYTES) + "\n")
            text.flush()
            os.fsync(text.fileno())
        # Where another process was first, its key is the key.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _checked(key: str, source: str) -> str:
    if len(key) < SHORTEST:
        raise ConfigurationError(
            f"{source} must hold a secret of {SHORTEST} characters or more, got {len(key)}"
        )
    return key
