"""Whether what one process says with NOTIFY is heard by another that LISTENs."""

from __future__ import annotations

import time
from secrets import token_hex
from typing import Any

from django.db import connections

from duly.doctor.findings import Finding, Needs, Patient, check, ok, warn
from duly.store.wakeups import own_connection

HEARD_SECONDS = 2.0


@check("listen", needs=Needs.CONNECTION, is_bounded=False)
def listen(patient: Patient) -> Finding:
    """Send a notification over Django's connection, and hear it on one as an engine's."""
    if not patient.is_postgres:
        return ok("not needed: engines watch the file" if patient.vendor == "sqlite" else "polled")
    poll = patient.config.poll_seconds
    if not patient.config.listen:
        return ok(f"off, as DULY['LISTEN'] says: engines look every {poll:g} s")
    seconds = _heard_after(patient.using)
    if seconds is None:
        return warn(
            f"a notification was not heard within {HEARD_SECONDS:g} s: a pooler in transaction "
            f"mode is in between, and engines look every {poll:g} s only",
            "let engines connect to the server itself, or set DULY['LISTEN'] = False",
        )
    return ok(f"a notification was heard after {seconds * 1000:.1f} ms")


def _heard_after(using: str) -> float | None:
    """Give the seconds from NOTIFY to hearing it; None: it was not heard."""
    import psycopg

    channel = f"duly_doctor_{token_hex(8)}"
    parameters: dict[str, Any] = connections[using].get_connection_params()
    with psycopg.connect(**own_connection(parameters), autocommit=True) as listener:
        listener.execute(f"LISTEN {channel}")
        began = time.monotonic()
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [channel])
        for _ in listener.notifies(timeout=HEARD_SECONDS, stop_after=1):
            return time.monotonic() - began
    return None
