"""JSON on the command line: as text, from a file, or from stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from duly.errors import InvalidPayload


def read_json(option: str, text: str | None) -> Any:
    """Read JSON text, `@FILE` or `-`; None for none. Raises InvalidPayload naming the option."""
    if text is None:
        return None
    what = option.lstrip("-")
    source, content = option, text
    try:
        if text == "-":
            source, content = f"the {what} from stdin", sys.stdin.read()
        elif text.startswith("@"):
            source, content = f"the {what} in {text[1:]!r}", Path(text[1:]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidPayload(f"{source} cannot be read: {error}") from None
    try:
        return json.loads(content, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise InvalidPayload(f"{source} is not JSON: {error}") from None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} stands twice in one object")
    return found
