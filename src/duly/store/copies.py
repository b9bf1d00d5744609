"""Events and their ledger rows by COPY, in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connections

from duly.store import facts
from duly.store.drafts import COLUMNS, Draft, cells

# Some three megabytes of text: enough to hide what a statement costs, and little to hold.
CHUNK = 5_000
# What stands for NULL in the text. No checked value holds it: text is printable, and JSON
# escapes it. So nothing but backslashes has to be escaped, a whole chunk in one go.
_NULL = "\x01"
_OPTIONS = "(FORMAT text, NULL E'\\x01')"
_EVENTS = f"COPY duly_scheduledevent ({', '.join(COLUMNS)}) FROM STDIN {_OPTIONS}"
_LEDGER = f"COPY duly_ledgerentry (at, event_id, fact, actor, data) FROM STDIN {_OPTIONS}"


class _Chunk(NamedTuple):
    """The lines of one chunk, for each of both tables."""

    events: str
    ledger: str


def copy_events(
    using: str, drafts: Sequence[Draft], ids: Sequence[str], now: datetime, actor: str
) -> None:
    """Store drafts and tell the ledger; the caller has opened a transaction.

    ids: 32 hexadecimal digits for each draft.
    Raises IntegrityError where a key exists.
    """
    starts = range(0, len(drafts), CHUNK)
    said = now.isoformat()

    def chunk(start: int) -> _Chunk:
        end = start + CHUNK
        return _lines(drafts[start:end], ids[start:end], said, actor)

    ready = chunk(0)
    connection = connections[using]
    # A copy ends beyond Django's cursor, which makes psycopg's errors Django's.
    with connection.cursor() as cursor, connection.wrap_database_errors:
        for start in starts:
            with cursor.copy(_EVENTS) as copy:
                copy.write(ready.events)
            with cursor.copy(_LEDGER) as copy:
                copy.write(ready.ledger)
                # While the server works on these.
                if start + CHUNK < len(drafts):
                    ready = chunk(start + CHUNK)


def _lines(drafts: Sequence[Draft], ids: Sequence[str], now: str, actor: str) -> _Chunk:
    events, entries = [], []
    fact = facts.SCHEDULED
    for draft, id_ in zip(drafts, ids, strict=True):
        event, data = cells(draft, id_, now)
        events.append("\t".join([_NULL if cell is None else cell for cell in event]))
        entries.append(f"{now}\t{id_}\t{fact}\t{actor}\t{data}")
    return _Chunk(_text(events), _text(entries))


def _text(lines: list[str]) -> str:
    lines.append("")
    return "\n".join(lines).replace("\\", "\\\\")
