"""Users with permissions, and the admin as they see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client

from duly.testing.manual_clock import ManualClock, standing_still
from tests.builders import NOW

VIEWS = (
    "view_scheduledevent",
    "view_occurrence",
    "view_ledgerentry",
    "view_gate",
    "view_saga",
    "view_service",
)
EVERYTHING = (
    *VIEWS,
    "schedule_event",
    "fire_event",
    "replay_occurrence",
    "view_payload",
    "override_breaker",
    "add_service",
    "change_service",
    "delete_service",
)
LogIn = Callable[..., Client]


@pytest.fixture
def using(database: str, settings: Any) -> Iterator[str]:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    settings.ROOT_URLCONF = "tests.admin.urls"
    # Users are on the default database, whichever holds duly's tables.
    User.objects.all().delete()
    yield database
    User.objects.all().delete()
    cache.clear()


@pytest.fixture
def clock(using: str) -> Iterator[ManualClock]:
    with standing_still(NOW) as standing:
        yield standing


@pytest.fixture
def log_in(using: str, clock: ManualClock) -> LogIn:
    """Log in a member of the staff who has these permissions of duly."""

    def log_in(*permissions: str, name: str = "ann", **options: Any) -> Client:
        user = User.objects.create(username=name, is_staff=True)
        found = Permission.objects.filter(content_type__app_label="duly", codename__in=permissions)
        assert found.count() == len(permissions), "a permission is missing"
        user.user_permissions.set(found)
        client = Client(**options)
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def admin(log_in: LogIn) -> Client:
    """Somebody who may do everything, and is no superuser."""
    return log_in(*EVERYTHING)
