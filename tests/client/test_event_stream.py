"""Server-sent events are read as the standard says, in whatever pieces they come."""

from __future__ import annotations

import pytest

from duly.client.event_stream import EventStream, Message

TEXT = (
    b"retry: 250\n: open\nid: 4\n\n"
    b"id: 5\nevent: due\ndata: {\ndata:  }\n\n"
    b"data: \xe2\x82\xac\r\n\r\n"
    b": still here\rid: 9\r\r"
    b"data: unfinished\n"
)
MESSAGES = [Message("due", "{\n }", "5"), Message("message", "€", "5")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_messages_are_the_same_in_whatever_pieces_they_come(size: int) -> None:
    stream = EventStream()

    pieces = [TEXT[at : at + size] for at in range(0, len(TEXT), size)]
    found = [message for piece in pieces for message in stream.feed(piece)]

    assert found == MESSAGES
    assert stream.last_id == "9"
    assert stream.retry == 0.25


def test_what_is_no_number_changes_no_wait_and_a_nul_no_place() -> None:
    stream = EventStream("3")

    assert list(stream.feed(b"retry: soon\nid: 4\0\n\n")) == []
    assert stream.retry is None
    assert stream.last_id == "3"
