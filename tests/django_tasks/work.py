"""Tasks of a project."""

from __future__ import annotations

from typing import Any

from duly.django_tasks.home import part

task = part().task
done: list[Any] = []


@task
def add(one: int, other: int) -> int:
    """Return something."""
    done.append((one, other))
    return one + other


@task
async def aadd(one: int, other: int) -> int:
    """The same, as a coroutine."""
    return one + other


@task(takes_context=True)
def which_attempt(context: Any, *, most: int) -> int:
    """Fail until it is the last."""
    if context.attempt < most:
        raise LookupError(f"attempt {context.attempt}")
    return int(context.attempt)


@task
def fail() -> None:
    """Raise something."""
    raise LookupError("nothing there")


@task
def return_a_set() -> set[int]:
    """Return what JSON cannot say."""
    done.append("a set")
    return {1}


def no_task() -> None:
    """Is not decorated."""
    done.append("no task")
