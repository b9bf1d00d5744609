"""Encrypted payloads: plain text in, an envelope out that is good in one place only, and back.

An envelope is `$fernet:`, the id of its key, and a Fernet token. No JSON text begins with `$`,
so that nothing a caller schedules can be taken for one (docs/adr/0019).
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from duly.errors import ConfigurationError, UnreadablePayload
from duly.policy.encryption import Encryption, FromFile, KeySource
from duly.policy.secret_values import reveal

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

MARK = "$fernet:"
_KEY_ID_DIGITS = 12


class Binding(NamedTuple):
    """The one place in the database where an envelope is good."""

    kind: str
    """What it is of: "event", "saga", "step", "task" or "template"."""
    id: UUID | str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id.hex if isinstance(self.id, UUID) else self.id}"


def is_sealed(text: str) -> bool:
    """Say whether stored text is an envelope."""
    return text.startswith(MARK)


def key_id_of(envelope: str) -> str:
    """Give the id of the key that an envelope was made with."""
    return envelope[len(MARK) :].partition(":")[0]


class _Key(NamedTuple):
    id: str
    fernet: Fernet


class Box:
    """Encrypts for one service, with its newest key."""

    def __init__(self, service: str, encryption: Encryption) -> None:
        self.service = service
        self.encryption = encryption
        self._newest: _Key | None = None

    @property
    def key_id(self) -> str:
        """The id of its newest key. Raises ConfigurationError where that is not there."""
        return self._key().id

    def seal(self, text: str, binding: Binding) -> str:
        """Give an envelope of a payload's JSON text. Raises ConfigurationError without a key."""
        key = self._key()
        token = key.fernet.encrypt(f"{binding}\n{text}".encode())
        return f"{MARK}{key.id}:{token.decode('ascii')}"

    def _key(self) -> _Key:
        if self._newest is None:
            self._newest = read_key(self.service, self.encryption.keys[0])
        return self._newest


class BrokenBox(Box):
    """Of a service that cannot be read: whether its payloads are secret is not known."""

    def __init__(self, service: str) -> None:
        self.service = service

    def _key(self) -> _Key:
        raise ConfigurationError(
            f"service {self.service!r} cannot be read, and its payloads may have to be "
            "encrypted: mend its row first"
        )


class Keyring:
    """The keys of every service, as the registries of services have last seen them."""

    def __init__(self) -> None:
        self.boxes: Mapping[str, Box] = {}
        """By service, those that encrypt; asked for each event that is scheduled."""
        self._services: Mapping[str, Encryption | None] = {}
        self._keys: dict[str, Fernet] = {}
        self._problems: list[str] = []
        self._look_again: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def use(self, services: Mapping[str, Encryption | None]) -> None:
        """Take over the option of each service that has it; None for what cannot be read."""
        if services == self._services:
            return
        boxes = {
            name: BrokenBox(name) if option is None else Box(name, option)
            for name, option in services.items()
            if option is None or option.is_on
        }
        with self._lock:
            self._services, self.boxes = services, boxes
            self._keys, self._problems = {}, []

    def when_missing(self, look_again: Callable[[], None]) -> None:
        """Say what may bring the option of a service that is not known yet."""
        self._look_again = look_again

    def box_of(self, services: Iterable[str]) -> Box | None:
        """Give the box of the first of these services that has one."""
        return next((self.boxes[name] for name in services if name in self.boxes), None)

    def open(self, envelope: str, binding: Binding) -> str:
        """Give the JSON text that an envelope holds. Raises UnreadablePayload."""
        key_id, _, token = envelope[len(MARK) :].partition(":")
        fernet = self._keys.get(key_id) or self._find(key_id, binding)
        from cryptography.fernet import InvalidToken

        try:
            text = fernet.decrypt(token).decode()
        except (InvalidToken, UnicodeDecodeError):
            raise UnreadablePayload(
                f"the payload of {binding.kind} {binding.id} was changed in the database after it "
                f"was encrypted with key {key_id}"
            ) from None
        bound, _, plain = text.partition("\n")
        if bound != str(binding):
            raise UnreadablePayload(
                f"the payload of {binding.kind} {binding.id} was encrypted for another row: it "
                "has been moved or copied here in the database"
            )
        return plain

    def _find(self, key_id: str, binding: Binding) -> Fernet:
        for is_last in (False, True):
            self._read_keys()
            if key_id in self._keys:
                return self._keys[key_id]
            if not is_last:
                self._look_again()
        raise UnreadablePayload(
            f"the payload of {binding.kind} {binding.id} is encrypted with key "
            f"{key_id!r:.40}, which this process does not have",
            "; ".join(self._problems),
        )

    def _read_keys(self) -> None:
        """Read every key of every service; what cannot be read is kept as a problem."""
        keys: dict[str, Fernet] = {}
        problems = []
        for name, option in self._services.items():
            for source in option.keys if option else ():
                try:
                    key = read_key(name, source)
                except ConfigurationError as error:
                    problems.append(str(error))
                else:
                    keys[key.id] = key.fernet
        with self._lock:
            self._keys, self._problems = keys, problems


def read_key(service: str, source: KeySource) -> _Key:
    """Read a key of a service. Raises ConfigurationError, which does not repeat it."""
    where = f"an encryption key of service {service!r}"
    try:
        from cryptography.fernet import Fernet
    except ImportError:
        raise ConfigurationError(
            f"service {service!r} encrypts its payloads, which needs the package cryptography: "
            "pip install 'duly[crypto]'"
        ) from None
    if isinstance(source, FromFile):
        text = _file(where, source)
    else:
        text = reveal(where, source, os.environ)
    key = text.strip().encode()
    try:
        fernet = Fernet(key)
    except ValueError:
        raise ConfigurationError(
            f"{where}, {_named(source)}, is no Fernet key (32 random bytes in URL-safe base64); "
            "make one with: python -c 'from cryptography.fernet import Fernet; "
            "print(Fernet.generate_key().decode())'"
        ) from None
    digest = hashlib.sha256(b"duly key id\n" + key).hexdigest()
    return _Key(digest[:_KEY_ID_DIGITS], fernet)


def _file(where: str, source: FromFile) -> str:
    try:
        return Path(source.path).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError(
            f"{where} is to be read from the file {source.path!r}, which cannot be read: {said}"
        ) from None


def _named(source: KeySource) -> str:
    return f"in {source.path!r}" if isinstance(source, FromFile) else f"in {source.name!r}"


keyring = Keyring()
"""Of this process; the registries of services say which keys there are."""


def sealed(service: str, text: str, binding: Binding) -> str:
    """Give what is stored of a payload's JSON text: an envelope, where its service encrypts."""
    box = keyring.boxes.get(service)
    return text if box is None else box.seal(text, binding)
