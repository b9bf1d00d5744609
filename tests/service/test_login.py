"""Who guesses passwords of the admin is slowed down, and nobody else is."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory

from duly import clock
from duly.service.login import FOR_ONE_LOGIN, FROM_ONE_ADDRESS, ThrottledLogin, wrong
from duly.testing.manual_clock import ManualClock, standing_still
from tests.service.serving import Serving

PASSWORD = "tick-tock-heron-77"
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def admin(settings: Any) -> Iterator[User]:
    """One that may log in, and nothing that was wrong before."""
    # Slow on purpose, the usual one would be the most of each test.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    wrong.forget()
    yield User.objects.create_superuser("admin", password=PASSWORD)
    wrong.forget()


@pytest.fixture(autouse=True)
def time() -> Iterator[ManualClock]:
    with standing_still(datetime(2031, 1, 1, tzinfo=UTC)) as manual:
        yield manual


def said(password: str, user: str = "admin", address: str = HERE) -> str:
    """Give what a login is answered; nothing where it is let in."""
    request = RequestFactory().post("/admin/login/", REMOTE_ADDR=address)
    form = ThrottledLogin(request, {"username": user, "password": password})
    return "" if form.is_valid() else str(form.non_field_errors()[0])


def guess(times: int, user: str = "admin") -> None:
    for number in range(times):
        assert "correct username" in said(f"guess {number}", user)


def test_after_five_wrong_passwords_not_even_the_right_one_is_looked_at() -> None:
    guess(FOR_ONE_LOGIN.count)

    assert "none is looked at for 60 s" in said(PASSWORD)


def test_then_there_is_one_attempt_a_minute(time: ManualClock) -> None:
    guess(FOR_ONE_LOGIN.count)
    time.move(timedelta(minutes=1))
    guess(1)

    assert "Too many" in said(PASSWORD)
    time.move(timedelta(minutes=1))
    assert said(PASSWORD) == ""


def test_from_elsewhere_and_as_another_user_one_is_let_in_meanwhile() -> None:
    User.objects.create_superuser("second", password=PASSWORD)
    guess(FOR_ONE_LOGIN.count)

    assert said(PASSWORD, address=ELSEWHERE) == ""
    assert said(PASSWORD, user="second") == ""


def test_who_tries_many_users_is_slowed_down_too() -> None:
    for number in range(FROM_ONE_ADDRESS.count):
        guess(1, user=f"user {number}")

    assert "Too many" in said(PASSWORD)


def test_each_wrong_password_is_in_the_log_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "duly"):
        guess(1, user="eve\nlogin.failed")

    (record,) = caplog.records
    assert record.getMessage() == (
        f"login.failed address={HERE} user='eve\\nlogin.failed' wait_seconds=0"
    )


def test_what_guessers_leave_in_memory_is_bounded() -> None:
    for number in range(20_000):
        wrong.failed(f"{HERE} {number}", FOR_ONE_LOGIN, clock.current().monotonic())

    assert len(wrong) == 10_000


def test_the_service_itself_slows_them_down(service: Serving) -> None:
    made = service.said["service.admin_made"]
    for _ in range(FOR_ONE_LOGIN.count):
        assert not service.log_in(made["user"], "guess")

    assert not service.log_in(made["user"], made["password"])
