"""Tables of aligned plain text."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Sequence

GAP = "  "
_BOLD, _DIM, _PLAIN = "\033[1m", "\033[2m", "\033[0m"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """Lay out rows under their heads; a column that is empty throughout is left out.

    notes: one for each row, set after its last column; "" for none.
    """
    columns = [index for index in range(len(heads)) if any(row[index] for row in rows)]
    shown = [[visible(row[index]) for index in columns] for row in ([*heads], *rows)]
    widths = [max(_width(cell) for cell in column) for column in zip(*shown, strict=True)]
    lines = [GAP.join(map(_padded, row, widths)) for row in shown]
    for index, note in enumerate(notes, start=1):
        if note:
            lines[index] += GAP + bold(visible(note))
    return "\n".join([dim(lines[0].rstrip()), *(line.rstrip() for line in lines[1:])])


def visible(text: str) -> str:
    """Show characters that cannot be printed, or that steer a terminal, as escapes."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def bold(text: str) -> str:
    """Stress a text, if a terminal shows it."""
    return f"{_BOLD}{text}{_PLAIN}" if _coloured() else text


def dim(text: str) -> str:
    """Set a text back, if a terminal shows it."""
    return f"{_DIM}{text}{_PLAIN}" if _coloured() else text


def _coloured() -> bool:
    # https://no-color.org: set and not empty, whatever its value.
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    # Terminals give East Asian wide characters two columns, combining marks none.
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return len(text) + wide - sum(unicodedata.combining(one) > 0 for one in text)
