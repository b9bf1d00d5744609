"""`duly keys`: make API keys, list them, replace one, end one."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import datetime, timedelta
from typing import Any

from duly import clock
from duly.access import keys
from duly.access.keys import Issued
from duly.cli.moments import span_text
from duly.cli.rules import read_span
from duly.cli.tables import table, visible
from duly.conf import config
from duly.models import ApiKey
from duly.store import ledger

ACTOR = "cli"
HEADS = ("key", "service", "name", "scopes", "status", "made", "last used")


def perform(options: Namespace) -> int:
    """Do what is asked: create, list, show, rotate or revoke."""
    verbs = {
        "create": _create,
        "list": _list,
        "show": _show,
        "rotate": _rotate,
        "revoke": _revoke,
    }
    return verbs[options.what](options)


def _create(options: Namespace) -> int:
    scopes = [scope.strip() for scope in options.scopes.split(",") if scope.strip()]
    issued = keys.issue_key(
        options.service, options.name, scopes, _end(options.expires), actor=ACTOR
    )
    return _tell(options, issued)


def _rotate(options: Namespace) -> int:
    overlap = read_span("--overlap", options.overlap) if _is_some(options.overlap) else timedelta(0)
    issued = keys.rotate_key(
        options.key, overlap=overlap, expires=_end(options.expires), actor=ACTOR
    )
    code = _tell(options, issued)
    if not options.json:
        old = keys.find_key(options.key)
        print(visible(f"The key {old.prefix} in whose place it is {_status(old, _now())}."))
    return code


def _tell(options: Namespace, issued: Issued) -> int:
    key, secret = issued
    if options.json:
        print(json.dumps(_data(key) | {"key": secret}))
        return 0
    until = f", until {key.expires_at:%Y-%m-%d %H:%M:%S} UTC" if key.expires_at else ""
    print(visible(f"A key of {key.service} for {key.name}: {', '.join(key.scopes)}{until}."))
    print(f"\n  {secret}\n")
    print("It is shown this once. Send it with each request:")
    print(visible(f"  X-Service-Name: {key.service}"))
    print("  X-API-Key: the key")
    return 0


def _list(options: Namespace) -> int:
    found = keys.list_keys(options.service)
    if options.json:
        print(json.dumps([_data(key) for key in found]))
        return 0
    now = _now()
    print(table(HEADS, [_cells(key, now) for key in found]) if found else "There is no key.")
    return 0


def _show(options: Namespace) -> int:
    key = keys.find_key(options.key)
    facts = ledger.of_key(config().database, key.id)
    if options.json:
        print(json.dumps(_data(key) | {"ledger": facts}))
        return 0
    print(table(HEADS, [_cells(key, _now())]))
    for fact in facts:
        print(visible(fact))
    return 0


def _revoke(options: Namespace) -> int:
    key = keys.revoke_key(options.key, actor=ACTOR)
    if options.json:
        print(json.dumps(_data(key)))
        return 0
    print(visible(f"The key {key.prefix} of {key.service} for {key.name} is revoked."))
    return 0


def _is_some(span: str) -> bool:
    return span not in ("0", "0s", "0m", "0h", "0d")


def _end(span: str | None) -> datetime | None:
    return None if span is None else _now() + read_span("--expires", span)


def _now() -> datetime:
    return clock.now(config().database)


def _cells(key: ApiKey, now: datetime) -> tuple[str, ...]:
    used = span_text(key.last_used_at - now) if key.last_used_at else "never"
    scopes = ", ".join(key.scopes)
    made = f"{key.created_at:%Y-%m-%d}"
    return key.prefix, key.service, key.name, scopes, _status(key, now), made, used


def _status(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is None:
        return "valid"
    verb = "expires" if key.expires_at > now else "expired"
    return f"{verb} {span_text(key.expires_at - now)}"


def _data(key: ApiKey) -> dict[str, Any]:
    moments = ("created_at", "expires_at", "revoked_at", "last_used_at")
    told = {name: getattr(key, name) for name in moments}
    return {
        "id": str(key.id),
        "service": key.service,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        **{name: at.isoformat() if at else None for name, at in told.items()},
    }
