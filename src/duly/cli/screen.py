"""A page that is drawn again and again in a terminal, which is given back as it was."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

try:
    import termios
    import tty
except ImportError:  # pragma: no cover - Windows: Ctrl-C still ends it
    termios = None  # type: ignore[assignment]

# xterm's control sequences: an own page without a cursor, and back.
# https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
_ENTER, _LEAVE = "\033[?1049h\033[?25l", "\033[?25h\033[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_PAGE = "\033[H", "\033[K", "\033[J"
_PLAIN = "\033[0m"
_STYLE = re.compile(r"(\033\[[0-9;]*m)")
QUITS = ("q", "Q", "\x03", "\x04")


class Screen:
    """The terminal, while a page is shown in it."""

    def draw(self, lines: Sequence[str]) -> None:
        """Show a page, as far as it fits."""
        width, height = shutil.get_terminal_size()
        shown = [clipped(line, width) + _REST_OF_LINE for line in lines[:height]]
        sys.stdout.write(_HOME + "\r\n".join(shown) + _REST_OF_PAGE)
        sys.stdout.flush()

    def wait(self, seconds: float) -> str:
        """Wait for a key; gives it, or "" where none came within `seconds`."""
        if termios is None or not sys.stdin.isatty():
            time.sleep(seconds)
            return ""
        readable, _, _ = select.select([sys.stdin], [], [], seconds)
        return os.read(sys.stdin.fileno(), 1).decode("latin-1") if readable else ""


@contextmanager
def screen() -> Iterator[Screen]:
    """Take the terminal for a page of its own; given back whatever ends this."""
    before = _keys_at_once()
    # SIGTERM as Ctrl-C: what is below is done before the process ends.
    handler = signal.signal(signal.SIGTERM, _interrupt)
    try:
        sys.stdout.write(_ENTER)
        yield Screen()
    finally:
        signal.signal(signal.SIGTERM, handler)
        if before is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        with suppress(OSError):  # The terminal may be gone.
            sys.stdout.write(_LEAVE)
            sys.stdout.flush()


def clipped(line: str, width: int) -> str:
    """Cut a line that is too long; escapes that set its style take no room."""
    room, parts = width, []
    for part in _STYLE.split(line):
        if _STYLE.fullmatch(part):
            parts.append(part)
        else:
            parts.append(part[:room])
            room -= len(parts[-1])
    return "".join(parts) + (_PLAIN if "\033" in line else "")


def _keys_at_once() -> list[Any] | None:
    """Let keys come as they are pressed, unseen; gives how it was before, if it is a terminal."""
    if termios is None or not sys.stdin.isatty():
        return None
    before: list[Any] = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    return before


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
