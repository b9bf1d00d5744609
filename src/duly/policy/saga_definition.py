"""What a saga consists of: stages in order, each of steps and waits that run side by side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias, get_args

from duly.errors import ConfigurationError, InvalidSaga
from duly.policy.retry import Retry, span

VERSION = 1
# Each is a row, and all are read whenever one of them ends.
MOST_NODES = 100
LONGEST_NAME = 100
# A moment further ahead may lie beyond the years that rules can name.
LONGEST_SPAN = timedelta(days=3660)
CompensateAfter = Literal["success", "attempt"]
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something to do, as an event of its own."""

    name: str
    event_type: str
    service: str
    compensation: str | None = None
    """The event type that undoes it; None: there is nothing to undo."""
    compensate_after: CompensateAfter = "success"
    """Whether it is undone only where it succeeded, or wherever an attempt of it began: for
    effects that may have happened though nobody was left to say so."""
    timeout: timedelta | None = None
    """How long it may take, all attempts and waits between them included; None: no limit."""
    retry: Retry | None = None
    """How failures are retried; None: as its handler has it."""

    def __post_init__(self) -> None:
        _check_name("step", self.name)
        if self.timeout is not None:
            object.__setattr__(self, "timeout", _positive("timeout", self.name, self.timeout))
        if self.retry is not None and not isinstance(self.retry, Retry):
            raise InvalidSaga(f"retry of step {self.name!r} must be a Retry, got {self.retry!r}")
        if self.retry is not None and (self.retry.retry_on or self.retry.give_up_on):
            raise InvalidSaga(
                f"retry_on and give_up_on of step {self.name!r} belong to its handler: "
                "a step is data"
            )
        if self.compensate_after not in get_args(CompensateAfter):
            known = ", ".join(get_args(CompensateAfter))
            raise InvalidSaga(
                f"compensate_after of step {self.name!r} must be one of {known}; "
                f"got {self.compensate_after!r:.60}"
            )

    def to_json(self) -> dict[str, Any]:
        retry = self.retry
        numbers = retry and {
            "attempts": retry.attempts,
            "base": retry.base / _SECOND,
            "cap": retry.cap / _SECOND,
        }
        return {
            "kind": "step",
            "name": self.name,
            "event_type": self.event_type,
            "service": self.service,
            "compensation": self.compensation,
            "compensate_after": self.compensate_after,
            "timeout": self.timeout / _SECOND if self.timeout else None,
            "retry": numbers,
        }


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Wait for a moment that the context names."""

    name: str
    """Of the context's key that holds it when the wait begins."""

    def __post_init__(self) -> None:
        _check_name("wait", self.name)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "wait_until", "name": self.name}


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Wait for a signal from outside."""

    name: str
    deadline: timedelta
    """How long it may take to come, from when the saga begins to wait."""

    def __post_init__(self) -> None:
        _check_name("signal", self.name)
        object.__setattr__(self, "deadline", _positive("deadline", self.name, self.deadline))

    def to_json(self) -> dict[str, Any]:
        return {"kind": "wait_for", "name": self.name, "deadline": self.deadline / _SECOND}


Node: TypeAlias = Step | WaitUntil | WaitFor


@dataclass(frozen=True, slots=True)
class Definition:
    """A saga as data; its nodes are numbered in the order in which they stand.

    Raises InvalidSaga for one without a node, with too many, or with a name twice.
    """

    name: str
    groups: tuple[tuple[Node, ...], ...]
    """One group after the other; the nodes of a group run side by side."""

    def __post_init__(self) -> None:
        _check_name("saga", self.name)
        nodes = self.nodes
        if not 1 <= len(nodes) <= MOST_NODES:
            raise InvalidSaga(
                f"saga {self.name!r} must have 1 to {MOST_NODES} steps and waits, got {len(nodes)}"
            )
        seen: set[str] = set()
        for node in nodes:
            if node.name in seen:
                raise InvalidSaga(f"saga {self.name!r} has {node.name!r} twice; name one otherwise")
            seen.add(node.name)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every step and wait, by position."""
        return tuple(node for group in self.groups for node in group)

    @property
    def stages(self) -> tuple[tuple[int, ...], ...]:
        """The positions of each group."""
        return tuple(self._stages())

    def _stages(self) -> Iterator[tuple[int, ...]]:
        first = 0
        for group in self.groups:
            yield tuple(range(first, first + len(group)))
            first += len(group)

    @property
    def version(self) -> str:
        """The fingerprint of all that it says."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def event_types(self) -> Iterator[tuple[str, str]]:
        """Name every event type that its steps and compensations need, and its service."""
        for node in self.nodes:
            if isinstance(node, Step):
                yield node.event_type, node.service
                if node.compensation is not None:
                    yield node.compensation, node.service

    def position(self, signal: str) -> int | None:
        """Find the wait for a signal."""
        for position, node in enumerate(self.nodes):
            if isinstance(node, WaitFor) and node.name == signal:
                return position
        return None

    def to_json(self) -> dict[str, Any]:
        groups = [[node.to_json() for node in group] for group in self.groups]
        return {"v": VERSION, "name": self.name, "groups": groups}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Definition:
        """Give the definition that `to_json` gave. Raises InvalidSaga."""
        try:
            if data["v"] != VERSION:
                raise InvalidSaga(f"saga version must be {VERSION}, got {data['v']!r:.40}")
            groups = tuple(tuple(map(_node, group)) for group in data["groups"])
            return cls(data["name"], groups)
        except (KeyError, TypeError) as error:
            raise InvalidSaga(f"the stored saga cannot be read: {error!r}") from None


def _node(data: Mapping[str, Any]) -> Node:
    match data:
        case {"kind": "step"}:
            retry, timeout = data["retry"], data["timeout"]
            return Step(
                name=data["name"],
                event_type=data["event_type"],
                service=data["service"],
                compensation=data["compensation"],
                compensate_after=data["compensate_after"],
                timeout=None if timeout is None else timedelta(seconds=timeout),
                retry=retry
                and Retry(
                    attempts=retry["attempts"],
                    base=timedelta(seconds=retry["base"]),
                    cap=timedelta(seconds=retry["cap"]),
                ),
            )
        case {"kind": "wait_until"}:
            return WaitUntil(data["name"])
        case {"kind": "wait_for"}:
            return WaitFor(data["name"], timedelta(seconds=data["deadline"]))
    raise InvalidSaga(f"the stored saga has a step of a kind unknown here: {data!r:.120}")


def _check_name(what: str, name: object) -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidSaga(
            f"name of a {what} must be 1 to {LONGEST_NAME} printable characters, got {name!r:.120}"
        )


def _positive(field: str, name: str, value: timedelta | float) -> timedelta:
    try:
        found = span(field, value)
    except ConfigurationError as error:
        raise InvalidSaga(f"{name!r}: {error}") from None
    if not timedelta(0) < found <= LONGEST_SPAN:
        raise InvalidSaga(
            f"{field} of {name!r} must be above zero and at most {LONGEST_SPAN.days} days, "
            f"got {value!r}"
        )
    return found
