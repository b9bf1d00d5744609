"""The first start makes a login and a key, and shows them once."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.service.serving import Serving, duly


def test_the_first_start_shows_a_login_and_a_key_and_the_second_neither(tmp_path: Path) -> None:
    with Serving(tmp_path) as first:
        login, key = first.said["service.admin_made"], first.said["service.key_made"]
        assert first.log_in(login["user"], login["password"])
        assert not first.log_in(login["user"], "another")
        headers = {"X-Service-Name": key["service"], "X-API-Key": key["key"]}
        assert first.ask("GET", "/api/events/upcoming", headers=headers).status == 200
        assert first.ask("GET", "/api/events/upcoming").status == 401
        first.end()

    with Serving(tmp_path) as second:
        assert {"service.admin_made", "service.key_made"}.isdisjoint(second.said)
        _, said = second.end()

    assert key["key"] not in said
    assert key["key"].encode() not in (tmp_path / "duly.sqlite3").read_bytes()


def test_a_second_start_says_who_manages_keys_and_passwords(tmp_path: Path) -> None:
    with Serving(tmp_path) as serving:
        serving.end()

    with Serving(tmp_path, arguments=("--no-engine",)) as serving:
        assert serving.said["service.started"]["keys"] == "duly keys"
        assert "changepassword admin" in serving.said["service.started"]["password"]


def test_two_that_start_at_once_make_one_login_and_one_key(tmp_path: Path) -> None:
    both = [Serving(tmp_path, arguments=("--no-engine",)) for _ in range(2)]
    for one in both:
        one.begin()
    try:
        for one in both:
            one.await_started()
        made = [name for one in both for name in one.said if name.endswith("_made")]
    finally:
        for one in both:
            one.__exit__()

    assert sorted(made) == ["service.admin_made", "service.key_made"]


def test_a_password_from_the_environment_is_used_and_not_shown(tmp_path: Path) -> None:
    variables = {"DULY_ADMIN_PASSWORD": "tick-tock-heron-77"}

    with Serving(tmp_path, ("--no-engine",), variables) as serving:
        assert serving.said["service.admin_made"]["password"] is None
        assert serving.log_in("admin", "tick-tock-heron-77")


def test_a_password_that_is_too_easy_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    done = duly(tmp_path, "serve", "--port", "0", DULY_ADMIN_PASSWORD="1234")

    assert done.returncode == 2
    assert done.stderr.startswith("duly: error: DULY_ADMIN_PASSWORD: This password is too short")
    assert done.stdout == ""


def test_the_secret_key_is_kept_where_only_its_owner_reads(service: Serving) -> None:
    path = service.folder / "duly.secret-key"

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().strip()) >= 32
    assert [found.name for found in service.folder.glob("duly.secret-key*")] == [path.name]


def test_a_port_that_is_taken_is_said_before_any_secret_is_made(
    service: Serving, tmp_path: Path
) -> None:
    port = service.url.rpartition(":")[2]

    done = duly(tmp_path, "serve", "--port", port)

    assert done.returncode == 1
    assert done.stderr == (
        f"duly: error: cannot listen on 127.0.0.1 port {port}: Address already in use; "
        "--port takes another\n"
    )
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        pytest.param(
            ["--threads", "8"], {}, "--threads must be more than STREAMS, 8, got 8", id="streams"
        ),
        pytest.param(["--threads", "0"], {}, "--threads must be 1 to 256, got 0", id="threads"),
        pytest.param(["--port", "70000"], {}, "--port must be 0 to 65535, got 70000", id="port"),
        pytest.param(["--host", "no.such.invalid"], {}, "is no address", id="host"),
        pytest.param([], {"DULY_SECRET_KEY": "short"}, "32 characters or more, got 5", id="secret"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], message: str
) -> None:
    done = duly(tmp_path, "serve", *arguments, **variables)

    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
