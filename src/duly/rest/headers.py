"""Headers of a request."""

from __future__ import annotations

from typing import overload

from django.http import HttpRequest


@overload
def header(request: HttpRequest, name: str) -> str | None: ...


@overload
def header(request: HttpRequest, name: str, default: str) -> str: ...


def header(request: HttpRequest, name: str, default: str | None = None) -> str | None:
    """Give a header; `HttpRequest.headers` writes all of them anew for the first that is asked.

    name: not "Content-Type" nor "Content-Length", which WSGI keeps elsewhere.
    """
    found: str | None = request.META.get(f"HTTP_{name.upper().replace('-', '_')}", default)
    return found


def unquoted(given: str) -> str:
    """Give an idempotency key. The draft of its standard has it in quotes; most send it bare."""
    return given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
