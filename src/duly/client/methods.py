"""Methods of both clients, of which each is said once: by what it asks for.

A function that builds a call becomes a method with the same arguments and docstring. Its answer
is what the call reads: given at once by `Client`, awaited with `AsyncClient`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from duly.client.calls import Call, Listing

_Given = ParamSpec("_Given")
_Gives = TypeVar("_Gives")
_Method = TypeVar("_Method", bound=Callable[..., Any])


class Asks(Protocol):
    """Asks, and waits for what is answered."""

    def ask(self, call: Call[_Gives], /) -> _Gives:
        """Give what a call reads. Raises ClientError."""
        ...

    def each(self, listing: Listing[_Gives], /) -> Iterator[_Gives]:
        """Give row after row. Raises ClientError."""
        ...


class AsksAsync(Protocol):
    """The same for coroutines."""

    def ask(self, call: Call[_Gives], /) -> Coroutine[Any, Any, _Gives]:
        """Give what a call reads. Raises ClientError."""
        ...

    def each(self, listing: Listing[_Gives], /) -> AsyncIterator[_Gives]:
        """Give row after row. Raises ClientError."""
        ...


def asked(
    build: Callable[_Given, Call[_Gives]],
) -> Callable[Concatenate[Asks, _Given], _Gives]:
    """Make a method that gives what a call reads."""

    def method(self: Asks, /, *args: _Given.args, **options: _Given.kwargs) -> _Gives:
        return self.ask(build(*args, **options))

    return _told_of(build, method)


def listed(
    build: Callable[_Given, Listing[_Gives]],
) -> Callable[Concatenate[Asks, _Given], Iterator[_Gives]]:
    """Make a method that gives the rows of a list, whose pages are fetched as they are needed."""

    def method(self: Asks, /, *args: _Given.args, **options: _Given.kwargs) -> Iterator[_Gives]:
        return self.each(build(*args, **options))

    return _told_of(build, method)


def asked_async(
    build: Callable[_Given, Call[_Gives]],
) -> Callable[Concatenate[AsksAsync, _Given], Coroutine[Any, Any, _Gives]]:
    """Make a method that gives what a call reads, to be awaited."""

    async def method(self: AsksAsync, /, *args: _Given.args, **options: _Given.kwargs) -> _Gives:
        return await self.ask(build(*args, **options))

    return _told_of(build, method)


def listed_async(
    build: Callable[_Given, Listing[_Gives]],
) -> Callable[Concatenate[AsksAsync, _Given], AsyncIterator[_Gives]]:
    """Make a method that gives the rows of a list, to be read by `async for`."""

    def method(
        self: AsksAsync, /, *args: _Given.args, **options: _Given.kwargs
    ) -> AsyncIterator[_Gives]:
        return self.each(build(*args, **options))

    return _told_of(build, method)


def _told_of(build: Callable[..., Any], method: _Method) -> _Method:
    """Let `help` show the arguments and the docstring of the call."""
    told = wraps(build)(method)
    signature = inspect.signature(build)
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    told.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[itself, *signature.parameters.values()],
        return_annotation=inspect.Signature.empty,
    )
    return told  # type: ignore[return-value]
