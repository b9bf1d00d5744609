"""A body that is read as it comes, line by line."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest

from duly.rest.problems import too_large

_PIECE = 64 * 1024


def first_byte(request: HttpRequest) -> bytes:
    """Read the beginning of a body, up to its first byte that is no white space; empty: none."""
    read = b""
    while not read.strip():
        piece = request.read(_PIECE)
        if not piece:
            return b""
        read = piece.lstrip()
    return read


def rest_of(request: HttpRequest, head: bytes, most: int) -> bytes:
    """Read a body to its end. Raises Problem where it is larger than `most` bytes."""
    body = head + request.read(max(0, most + 1 - len(head)))
    if len(body) > most:
        raise too_large(most, "a list")
    return body


def lines_of(request: HttpRequest, head: bytes, most: int) -> Iterator[bytes | None]:
    """Give each line of a body that is not empty; None for one of more than `most` bytes."""
    pending, is_too_long = head, False
    while True:
        *whole, pending = pending.split(b"\n")
        for line in whole:
            if is_too_long or len(line) > most:
                yield None
            elif line := line.strip():
                yield line
            is_too_long = False
        if len(pending) > most:
            pending, is_too_long = b"", True
        piece = request.read(_PIECE)
        if not piece:
            break
        pending += piece
    if is_too_long or len(pending) > most:
        yield None
    elif pending := pending.strip():
        yield pending
