"""Whether a service's payloads are encrypted, and where the keys are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from duly.errors import ConfigurationError
from duly.policy.secret_values import FromEnvironment

# Each is tried at no cost, but a list that only grows is a rotation that nobody ends.
MOST_KEYS = 16


@dataclass(frozen=True, slots=True)
class FromFile:
    """A value that is alone in a file, and is read when it is used."""

    path: str

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not PurePath(self.path).is_absolute():
            raise ConfigurationError(
                f"file must be the absolute path of a file, got {self.path!r:.120}"
            )


KeySource = FromEnvironment | FromFile


@dataclass(frozen=True, slots=True)
class Encryption:
    """How the payloads of a service are encrypted.

    keys: newest first; the first encrypts, all decrypt.
    is_on: False: what is new is stored in plain text, and what is encrypted can still be read.
    """

    keys: tuple[KeySource, ...]
    is_on: bool = True

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= MOST_KEYS:
            raise ConfigurationError(
                f"encryption must name 1 to {MOST_KEYS} keys, newest first; got {len(self.keys)}"
            )
        if len(set(self.keys)) < len(self.keys):
            raise ConfigurationError("encryption names a key twice; name each once, newest first")


def encryption_from(data: object) -> Encryption | None:
    """Read the option `encryption` of a service; None where it has none.

    data: a list of keys, newest first, each {"env": "NAME"} or {"file": "/path"}; or a dict of
        "keys", such a list, and "enabled", False to store plain text again.

    Raises ConfigurationError, which repeats no key.
    """
    if data is None or isinstance(data, Encryption):
        return data
    match data:
        case {"keys": keys, **others} if not others.keys() - {"enabled"}:
            is_on = others.get("enabled", True)
        case list() | tuple():
            keys, is_on = data, True
        case _:
            raise ConfigurationError(
                'encryption must be a list of keys such as [{"env": "NAME"}], newest first, or '
                f'{{"keys": [...], "enabled": False}}; got a {type(data).__name__}'
            )
    if not isinstance(is_on, bool):
        raise ConfigurationError(f"enabled must be True or False, got {is_on!r:.60}")
    if not isinstance(keys, (list, tuple)):
        raise ConfigurationError(f"keys must be a list, newest first; got a {type(keys).__name__}")
    return Encryption(tuple(_key(key) for key in keys), is_on)


def _key(data: object) -> KeySource:
    match data:
        case FromEnvironment() | FromFile():
            return data
        case Mapping() if set(data) == {"env"}:
            return FromEnvironment(data["env"])
        case Mapping() if set(data) == {"file"}:
            return FromFile(data["file"])
    # Not repeated: it may be the key itself.
    raise ConfigurationError(
        'a key of encryption is never given, but named: {"env": "NAME"} or {"file": "/path"}; '
        f"got a {type(data).__name__}"
    )
