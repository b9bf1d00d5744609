"""The scope before all else: who may not call learns nothing of what else is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from duly.policy.scopes import Scope
from duly.rest.api import api as described
from duly.rest.guard import NEEDS
from tests.rest.conftest import Api
from tests.rest.test_refusals import is_problem

OPERATIONS = [
    pytest.param(method, path.removeprefix("/api/"), operation, id=f"{method} {path}")
    for prefix, router in described._routers
    for path, view in ((f"/api/{path}", view) for path, view in router.path_operations.items())
    for operation in view.operations
    for method in operation.methods
]
# Its URL is signed, and is all the credentials that there are.
BY_URL = ("calendars/{service}/{token}.ics",)


def concrete(path: str) -> str:
    """Put something in the place of each parameter."""
    parts = ("a" if "{" in part else part for part in path.replace("{path:", "{").split("/"))
    return "/".join(parts)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_who_lacks_the_scope_learns_nothing_of_validation(
    caller: Callable[..., Api], method: str, path: str, operation: Any
) -> None:
    if operation.auth_callbacks == []:
        return
    scope = getattr(operation.view_func, NEEDS, None)
    assert scope is not None, f"{path} asks for no scope"
    others = [one for one in Scope if one not in (scope, Scope.ADMIN)]
    stranger = caller("clinic", *others)

    for body in (b"{", b'{"nothing": "fits"}', b""):
        answer = stranger(method, f"{concrete(path)}?unknown=1", body)
        assert is_problem(answer, 403)["value"] == scope.value
