"""What an attempt's failure is told as: text that any database stores, without secrets."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from duly import payloads
from duly.encryption import Binding, is_sealed, keyring
from duly.errors import UnreadablePayload
from duly.policy.hiding import without_values
from duly.store.rows import Claim

# Enough for the frames that matter; a recursion error would bring a megabyte.
LONGEST_ERROR = 8_000


def payload_of(claim: Claim) -> Any:
    """Give what an occurrence was scheduled with.

    Raises InvalidPayload when the stored text is not JSON, and UnreadablePayload when it is
    encrypted and its key is not here.
    """
    text = claim.payload
    if is_sealed(text):
        text = keyring.open(text, Binding("event", claim.event_id))
    return payloads.decode(text)


def error_text(error: BaseException, clean: Callable[[str], str]) -> str:
    """Give class and message first, then the traceback.

    clean: makes text storable, and takes out what must not be told.
    """
    head = clean(f"{type(error).__name__}: {error}")
    tail = clean("".join(traceback.format_exception(error)))
    return f"{head[: LONGEST_ERROR // 2]}\n{tail[-LONGEST_ERROR // 2 :]}"


def without_secrets(claims: Iterable[Claim], text: str) -> str:
    """Take out of a text what the encrypted payloads of these hold, and what no database stores.

    Errors go into tables, logs and reports.
    """
    secrets = []
    for claim in claims:
        if is_sealed(claim.payload):
            # What cannot be opened here has told nothing.
            with suppress(UnreadablePayload):
                secrets.append(payload_of(claim))
    return _storable(without_values(text, secrets) if secrets else text)


def _storable(text: str) -> str:
    """Replace NUL and lone surrogates: databases refuse them, and an end must be recorded."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
