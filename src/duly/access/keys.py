"""API keys: issue, rotate, revoke, list, and find out whose one is.

A key is `duly_`, a prefix by which it is found, and 256 random bits. It is shown once; what
is stored is its digest.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.views.decorators.debug import sensitive_variables

from duly import clock
from duly.access.caller import Caller
from duly.access.refusals import Unauthorized
from duly.conf import config
from duly.errors import InvalidEvent, InvalidKey
from duly.ids import new_id
from duly.intake import check_length
from duly.models import ApiKey
from duly.policy.scopes import Scope
from duly.policy.service import OWN
from duly.store import api_keys
from duly.store.api_keys import StoredKey

MARK = "duly"
OVERLAP = timedelta(days=1)
"""How long a key works on beside its successor, unless you say otherwise."""
REMEMBERED_SECONDS = 2.0
"""Another process follows a revocation within this; the one that revokes follows at once."""
_PREFIX_BYTES = 5
_SECRET_BYTES = 32
_LONGEST = 200
_MOST_REMEMBERED = 1024
# What an unknown prefix is compared with: no text has this digest that anybody knows.
_NOBODY = "0" * 64


class Issued(NamedTuple):
    """A new key, and its text, which nobody can show again."""

    key: ApiKey
    secret: str

    def __repr__(self) -> str:
        return f"Issued({self.key})"


def issue_key(
    service: str,
    name: str,
    scopes: Collection[Scope | str],
    expires: datetime | None = None,
    *,
    actor: str = "",
) -> Issued:
    """Make a key of a service.

    service: 1 to 100 characters; the key sees and touches its events only, unless it has
        the scope "admin".
    name: 1 to 100 characters: what it is for.
    scopes: one or more of `duly.policy.scopes.Scope`.
    expires: aware, in the future; None: never.
    actor: who does this, for the ledger.

    Raises InvalidKey.
    """
    using = config().database
    now = clock.now(using)
    key, secret = _new_key(now)
    key.service, key.name = _text("service", service), _text("name", name)
    if service == OWN:
        raise InvalidKey(f"service {OWN!r} is duly's own, which nobody calls for; name another")
    key.scopes = _scopes(scopes)
    key.expires_at = _future(expires, now)
    api_keys.insert(using, key, now, actor)
    return Issued(key, secret)


def rotate_key(
    key: UUID | str,
    *,
    overlap: timedelta = OVERLAP,
    expires: datetime | None = None,
    actor: str = "",
) -> Issued:
    """Make a successor of a key, with its service, name and scopes; both work for a while.

    key: its id or prefix.
    overlap: how long the old one works on; zero ends it at once.
    expires: of the new one, aware; None: it lives as long as the old one was to.

    Raises KeyNotFound; KeyConflict for a key that is revoked or expired; InvalidKey.
    """
    if overlap < timedelta(0):
        raise InvalidKey(f"overlap must be zero or more, got {overlap}")
    using = config().database
    now = clock.now(using)
    successor, secret = _new_key(now)
    successor.expires_at = _future(expires, now)
    old = api_keys.replace_key(using, key, successor, overlap, now, actor)
    _remembered.forget(old.id)
    return Issued(successor, secret)


def revoke_key(key: UUID | str, *, actor: str = "") -> ApiKey:
    """End a key, by its id or prefix, at once; again, it changes nothing. Raises KeyNotFound."""
    using = config().database
    revoked = api_keys.revoke(using, key, clock.now(using), actor)
    _remembered.forget(revoked.id)
    return revoked


def find_key(key: UUID | str) -> ApiKey:
    """Give a key by its id or prefix. Raises KeyNotFound."""
    return api_keys.find(config().database, key)


def list_keys(service: str | None = None) -> list[ApiKey]:
    """Give every key, of one service or of all, the expired and revoked ones too."""
    return list(api_keys.listed(config().database, service))


@sensitive_variables()
def verify(service_name: str, secret: str) -> Caller:
    """Say who has this key.

    service_name: the service that the key was issued for, whatever its scopes.
    secret: the whole text of the key.

    Raises Unauthorized, in the same words whatever is wrong, after the same work.
    """
    using = config().database
    now = clock.now(using)
    digest = _digest(secret)
    found = _remembered.get(using, digest)
    if found is None:
        found = api_keys.by_prefix(using, prefix_of(secret))
    expected, owner = (found.digest, found.service) if found else (_NOBODY, "")
    is_it = hmac.compare_digest(expected, digest)
    is_its = hmac.compare_digest(_bytes(owner), _bytes(service_name))
    if found is None or not is_it:
        raise Unauthorized(reason="no such key")
    _remembered.put(using, found)
    if not is_its:
        raise Unauthorized(reason=f"key {found.prefix} is another service's")
    if found.revoked_at is not None:
        raise Unauthorized(reason=f"key {found.prefix} is revoked")
    if found.expires_at is not None and found.expires_at <= now:
        raise Unauthorized(reason=f"key {found.prefix} has expired")
    _remembered.renew(using, api_keys.touch(using, found, now))
    known = [Scope(scope) for scope in found.scopes if scope in _SCOPES]
    actor = f"key:{found.service}/{found.prefix}"
    return Caller(actor=actor, service=found.service, scopes=frozenset(known))


def is_known(secret: str) -> bool:
    """Say whether this process has seen this very key be that of somebody, without a statement."""
    return _remembered.has(config().database, _digest(secret))


def prefix_of(secret: str) -> str:
    """Give the part of a key that is no secret; "" for what is no key."""
    parts = secret.split("_") if len(secret) <= _LONGEST else []
    is_key = len(parts) == 3 and parts[0] == MARK and parts[1].isascii() and parts[1].isalnum()
    return parts[1][:16] if is_key else ""


class _Remembered:
    """Keys that were found lately, by their digests; bounded, and shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[str, str], tuple[StoredKey, float]] = OrderedDict()

    def get(self, using: str, digest: str) -> StoredKey | None:
        """Give a key that was read a moment ago."""
        with self._lock:
            key, read_at = self._found.get((using, digest), (None, 0.0))
        fresh = clock.current().monotonic() - read_at < REMEMBERED_SECONDS
        return key if fresh else None

    def has(self, using: str, digest: str) -> bool:
        """Say whether a key was ever found, and is not forgotten."""
        with self._lock:
            return (using, digest) in self._found

    def put(self, using: str, key: StoredKey) -> None:
        """Remember a key that has been read, unless it was remembered just before."""
        if self.get(using, key.digest) is not None:
            return
        with self._lock:
            self._found[using, key.digest] = (key, clock.current().monotonic())
            self._found.move_to_end((using, key.digest))
            while len(self._found) > _MOST_REMEMBERED:
                self._found.popitem(last=False)

    def renew(self, using: str, key: StoredKey) -> None:
        """Remember what has been written since it was read, for as long as before."""
        with self._lock:
            if (there := self._found.get((using, key.digest))) is not None:
                self._found[using, key.digest] = (key, there[1])

    def forget(self, id_: UUID) -> None:
        """Read a key anew the next time."""
        with self._lock:
            for name in [name for name, (key, _) in self._found.items() if key.id == id_]:
                del self._found[name]


_remembered = _Remembered()
_SCOPES = frozenset(scope.value for scope in Scope)


def _new_key(now: datetime) -> tuple[ApiKey, str]:
    prefix = secrets.token_hex(_PREFIX_BYTES)
    secret = f"{MARK}_{prefix}_{secrets.token_hex(_SECRET_BYTES)}"
    return ApiKey(id=new_id(now), prefix=prefix, digest=_digest(secret), created_at=now), secret


def _digest(secret: str) -> str:
    return hashlib.sha256(_bytes(secret)).hexdigest()


def _bytes(text: str) -> bytes:
    # Headers may hold anything; only what is equal must stay equal.
    return text.encode("utf-8", "surrogatepass")


def _text(field_: str, value: str) -> str:
    try:
        check_length("service", value, least=1)
    except InvalidEvent as error:
        raise InvalidKey(str(error).replace("service", field_, 1)) from None
    return value


def _scopes(given: Collection[Scope | str]) -> list[str]:
    if isinstance(given, str) or not given:
        raise InvalidKey(f"scopes must be one or more of {', '.join(Scope)}; got {given!r:.60}")
    for scope in given:
        if scope not in _SCOPES:
            raise InvalidKey(f"scope must be one of {', '.join(Scope)}; got {scope!r:.60}")
    return [scope.value for scope in Scope if scope in given]


def _future(expires: datetime | None, now: datetime) -> datetime | None:
    if expires is not None and expires.tzinfo is None:
        raise InvalidKey(f"expires must be aware, such as …+00:00; got {expires.isoformat()}")
    if expires is not None and expires <= now:
        raise InvalidKey(f"expires must be in the future, got {expires.isoformat()}")
    return expires
