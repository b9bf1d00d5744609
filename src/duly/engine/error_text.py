"""What an exception says, as text that every database stores."""

from __future__ import annotations

import traceback

# Enough for the frames that matter; a recursion error would bring a megabyte.
LONGEST_ERROR = 8_000


def error_text(error: BaseException) -> str:
    """Give class and message first, then the traceback, in text that any database stores."""
    head = f"{type(error).__name__}: {error}"
    tail = "".join(traceback.format_exception(error))
    return storable(f"{head[: LONGEST_ERROR // 2]}\n{tail[-LONGEST_ERROR // 2 :]}")


def storable(text: str) -> str:
    """Replace NUL and lone surrogates: databases refuse them, and an end must be recorded."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
