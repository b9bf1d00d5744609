"""A dashboard with nothing in it, and somebody to look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from duly.dashboard.kept import kept
from duly.services import registry
from duly.testing.manual_clock import ManualClock, standing_still
from tests.builders import NOW

LogIn = Callable[..., Client]


@pytest.fixture
def using(database: str, settings: Any) -> Iterator[str]:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    settings.ROOT_URLCONF = "tests.dashboard.urls"
    # Users are on the default database, whichever holds duly's tables.
    User.objects.all().delete()
    kept.forget()
    registry.forget()
    yield database
    User.objects.all().delete()
    kept.forget()
    registry.forget()


@pytest.fixture
def clock(using: str) -> Iterator[ManualClock]:
    with standing_still(NOW) as standing:
        yield standing


@pytest.fixture
def log_in(using: str, clock: ManualClock) -> LogIn:
    """Log somebody in."""

    def log_in(*permissions: str, is_staff: bool = True) -> Client:
        user = User.objects.create(username="ann", is_staff=is_staff)
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="duly", codename__in=permissions)
        )
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def viewer(log_in: LogIn) -> Client:
    """Somebody who may look, and no more."""
    return log_in("view_scheduledevent")
