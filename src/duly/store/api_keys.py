"""Statements on API keys; whatever changes one tells the ledger who did, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from duly.errors import KeyConflict, KeyNotFound
from duly.models import ApiKey, LedgerEntry
from duly.store import facts
from duly.store.facts import THE_LEDGER
from duly.store.turns import transaction_in_turn

# The last use is for people who look for keys that nobody uses any more.
TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as it was read."""

    id: UUID
    service: str
    prefix: str
    digest: str = field(repr=False)
    scopes: tuple[str, ...]
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def by_prefix(using: str, prefix: str) -> StoredKey | None:
    """Find a key as it is now; None: no key has this prefix."""
    row = ApiKey.objects.using(using).filter(prefix=prefix).first()
    return None if row is None else _stored(row)


def insert(using: str, key: ApiKey, now: datetime, actor: str) -> None:
    """Store a new key."""
    with transaction_in_turn(using):
        key.save(using=using, force_insert=True)
        _tell(using, facts.KEY_ISSUED, key, now, actor)


def replace_key(
    using: str, key: UUID | str, successor: ApiKey, overlap: timedelta, now: datetime, actor: str
) -> ApiKey:
    """Store a successor of a key, which expires once both have been valid for a while.

    successor: gets service, name and scopes of the other; and, unless it expires itself, as
        long a life.

    Gives the key that expires. Raises KeyNotFound; KeyConflict for one that is not valid.
    """
    with transaction_in_turn(using):
        old = _locked(using, key)
        if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
            word = "revoked" if old.revoked_at is not None else "expired"
            raise KeyConflict(f"key {old.prefix!r} is {word}; issue a new one in its place")
        if successor.expires_at is None and old.expires_at is not None:
            successor.expires_at = now + (old.expires_at - old.created_at)
        successor.service, successor.name, successor.scopes = old.service, old.name, old.scopes
        until = now + overlap
        old.expires_at = until if old.expires_at is None else min(until, old.expires_at)
        old.save(using=using, update_fields=["expires_at"])
        successor.save(using=using, force_insert=True)
        _tell(using, facts.KEY_ROTATED, old, now, actor, successor=successor.prefix)
        _tell(using, facts.KEY_ISSUED, successor, now, actor, replaces=old.prefix)
    return old


def revoke(using: str, key: UUID | str, now: datetime, actor: str) -> ApiKey:
    """End a key for good; again, it changes nothing. Raises KeyNotFound."""
    with transaction_in_turn(using):
        found = _locked(using, key)
        if found.revoked_at is None:
            found.revoked_at = now
            found.save(using=using, update_fields=["revoked_at"])
            _tell(using, facts.KEY_REVOKED, found, now, actor)
    return found


def touch(using: str, key: StoredKey, now: datetime) -> StoredKey:
    """Write down that a key is used, unless that was done within the last minute."""
    if key.last_used_at is not None and now - key.last_used_at < TOUCH_EVERY:
        return key
    due = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - TOUCH_EVERY)
    with transaction_in_turn(using):
        ApiKey.objects.using(using).filter(due, id=key.id).update(last_used_at=now)
    return replace(key, last_used_at=now)


def listed(using: str, service: str | None) -> QuerySet[ApiKey, ApiKey]:
    """Find keys, the oldest first; of one service, or of all."""
    rows = ApiKey.objects.using(using).order_by("service", "id")
    return rows if service is None else rows.filter(service=service)


def find(using: str, key: UUID | str) -> ApiKey:
    """Find a key by its id or prefix. Raises KeyNotFound."""
    return _first(ApiKey.objects.using(using).filter(_named(key)), key)


def _locked(using: str, key: UUID | str) -> ApiKey:
    return _first(ApiKey.objects.using(using).select_for_update().filter(_named(key)), key)


def _first(rows: QuerySet[ApiKey, ApiKey], key: UUID | str) -> ApiKey:
    found = rows.first()
    if found is None:
        # Who pastes a whole key by mistake must not find it in a log.
        raise KeyNotFound(f"no API key has the id or prefix {str(key)[:12]!r}")
    return found


def _named(key: UUID | str) -> Q:
    if isinstance(key, UUID):
        return Q(id=key)
    try:
        return Q(id=UUID(key)) | Q(prefix=key)
    except ValueError:
        return Q(prefix=key)


def _stored(row: ApiKey) -> StoredKey:
    return StoredKey(
        id=row.id,
        service=row.service,
        prefix=row.prefix,
        digest=row.digest,
        scopes=tuple(row.scopes),
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def _tell(using: str, fact: str, key: ApiKey, now: datetime, actor: str, **more: Any) -> None:
    data = {
        "key": str(key.id),
        "service": key.service,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
    }
    entry = facts.entry(fact, now, THE_LEDGER, actor=actor, data=data | more)
    LedgerEntry.objects.using(using).bulk_create([entry])
