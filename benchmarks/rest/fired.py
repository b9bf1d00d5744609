"""The handler of what is due while others schedule: it notes how late it began."""

from __future__ import annotations

import os
import time

from duly.registry import Occurrence, handler

_descriptor = os.open(os.environ["REST_LATENESS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


@handler("fired")
def fired(occurrence: Occurrence) -> None:
    """Do no more than that."""
    now = time.time()
    due = occurrence.due_at.timestamp()
    os.write(_descriptor, f"{due!r} {now - due!r}\n".encode())
