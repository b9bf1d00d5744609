"""Which sagas there are: each a function that says its steps, called once, when it is defined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import TypeVar

from duly.errors import InvalidSaga, UnknownSaga
from duly.policy.retry import Retry
from duly.policy.saga_definition import (
    CompensateAfter,
    Definition,
    Node,
    Step,
    WaitFor,
    WaitUntil,
)
from duly.registry import normalise_type

_F = TypeVar("_F", bound=Callable[["SagaBuilder"], object])


class SagaBuilder:
    """Takes the steps and waits of a saga, in the order in which they are to be done."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._groups: list[list[Node]] = []
        self._group: list[Node] | None = None

    def step(  # noqa: PLR0913 - all but one by keyword
        self,
        name: str,
        *,
        event_type: str | None = None,
        service: str | None = None,
        compensate: str | None = None,
        compensate_after: CompensateAfter = "success",
        timeout: timedelta | float | None = None,
        retry: Retry | None = None,
    ) -> None:
        """Do something, as an event of its own.

        event_type: None is `name`. service: None is the saga's.
        compensate: the event type that undoes it.
        compensate_after: "success", or "attempt" where it must be undone as well if it
            failed, since its effect may have happened all the same.
        timeout: how long it may take with all its attempts; a number is seconds.
        retry: None is as its handler has it.

        Raises InvalidSaga, and InvalidEvent for a malformed type.
        """
        limit = timedelta(seconds=timeout) if isinstance(timeout, int | float) else timeout
        step = Step(
            name=name,
            event_type=normalise_type(event_type or name),
            service=service or self._service,
            compensation=None if compensate is None else normalise_type(compensate),
            compensate_after=compensate_after,
            timeout=limit,
            retry=retry,
        )
        self._add(step)

    def wait_until(self, name: str) -> None:
        """Wait for the moment that the context holds under this name when the wait begins.

        It is an `At`, or an ISO 8601 text with an offset, from `start_saga` or from a
        handler; one that has passed is not waited for. Raises InvalidSaga.
        """
        self._add(WaitUntil(name))

    def wait_for(self, signal: str, *, deadline: timedelta | float) -> None:
        """Wait for a signal, which may have come already; its value goes into the context.

        deadline: how long it is waited for; a number is seconds. After it the saga goes back.
        Raises InvalidSaga.
        """
        span = timedelta(seconds=deadline) if isinstance(deadline, int | float) else deadline
        self._add(WaitFor(signal, span))

    @contextmanager
    def parallel(self) -> Iterator[None]:
        """Do what stands within side by side; the saga goes on once all of it is done.

        Raises InvalidSaga where one stands in another.
        """
        if self._group is not None:
            raise InvalidSaga("parallel() stands within parallel(): its steps are parallel already")
        self._group = []
        try:
            yield
        finally:
            group, self._group = self._group, None
        if not group:
            raise InvalidSaga("parallel() has no step")
        self._groups.append(group)

    def definition(self, name: str) -> Definition:
        """Give what has been said so far. Raises InvalidSaga."""
        return Definition(name, tuple(map(tuple, self._groups)))

    def _add(self, node: Node) -> None:
        if self._group is None:
            self._groups.append([node])
        else:
            self._group.append(node)


@dataclass(frozen=True, slots=True)
class Defined:
    """A saga as it was defined in this process."""

    definition: Definition
    service: str
    """Who starts it from outside, and sees its runs."""
    path: str
    """Of the function that says its steps."""


_definitions: dict[str, Defined] = {}


def saga(name: str, *, service: str = "default") -> Callable[[_F], _F]:
    """Define a saga: the decorated function is called once, with a `SagaBuilder`.

    service: owner of its runs, and of its steps unless they name another.

    Raises InvalidSaga for a definition that breaks a rule, or where another function
    defines a saga of this name.
    """

    def define(function: _F) -> _F:
        path = f"{function.__module__}.{function.__qualname__}"
        known = _definitions.get(name)
        if known is not None and known.path != path:
            raise InvalidSaga(
                f"saga {name!r} is defined twice: {known.path} and {path}; name one otherwise"
            )
        builder = SagaBuilder(service)
        function(builder)
        _definitions[name] = Defined(builder.definition(name), service, path)
        return function

    return define


def require(name: str, service: str | None = None) -> Defined:
    """Give a saga as it is defined.

    service: another's is not found, nor named; None: whosever it is.

    Raises UnknownSaga, with a near name if there is one.
    """
    found = _definitions.get(name)
    if found is None or (service is not None and found.service != service):
        known = [one for one in _definitions if service in (None, _definitions[one].service)]
        near = get_close_matches(str(name), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "is its handlers.py in an installed app?"
        raise UnknownSaga(f"no saga is defined by the name {name!r:.120}; {hint}")
    return found


def forget(name: str) -> None:
    """Forget the definition of a saga (tests do)."""
    _definitions.pop(name, None)
