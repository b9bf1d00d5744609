"""Server-sent events, from bytes as they come to messages.

Source: HTML Living Standard, 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Message:
    """One event that was sent."""

    event: str
    """Its name; "message" where it has none."""
    data: str
    last_id: str
    """The place to go on from after it."""


class EventStream:
    """Reads one response, in whatever pieces it comes."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        """The place to go on from."""
        self.retry: float | None = None
        """Seconds to wait before coming back, where the server has said so."""
        self._rest = b""
        self._is_first = True
        self._id = last_id
        self._event = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[Message]:
        """Give the messages that are whole with this piece. Has to be read to its end."""
        self._rest += piece
        if self._is_first and len(self._rest) >= len(_BYTE_ORDER_MARK):
            self._rest = self._rest.removeprefix(_BYTE_ORDER_MARK)
            self._is_first = False
        # After a carriage return at the end, a line feed may follow that belongs to it.
        held = self._rest[-1:] if self._rest.endswith(b"\r") else b""
        lines = self._rest.removesuffix(held).splitlines(keepends=True)
        unfinished = lines.pop() if lines and not lines[-1].endswith((b"\n", b"\r")) else b""
        self._rest = unfinished + held
        for line in lines:
            if (message := self._line(line.rstrip(b"\r\n").decode("utf-8", "replace"))) is not None:
                yield message

    def _line(self, line: str) -> Message | None:
        if not line:
            return self._dispatched()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._event = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry = int(value) / 1000
        return None

    def _dispatched(self) -> Message | None:
        # Also where nothing is told: a comment may move the place on.
        self.last_id = self._id
        event, data = self._event or "message", "\n".join(self._data)
        is_told = bool(self._data)
        self._event, self._data = "", []
        return Message(event, data, self.last_id) if is_told else None
