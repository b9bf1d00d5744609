"""`duly keys`: made, shown once, listed, replaced, ended; and `duly ledger calls`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from duly.access import keys
from duly.access.refusals import Unauthorized
from duly.cli.main import main
from duly.store.calls import Calls, write
from tests.builders import NOW

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process; gives exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def using(database: str, settings: Any) -> str:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    return database


def created(cli: Cli, *arguments: str) -> dict[str, Any]:
    code, out, _ = cli("keys", "create", "billing", "--scopes", "read", "--json", *arguments)
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_key_that_is_made_is_shown_and_works(cli: Cli, using: str) -> None:
    code, out, _ = cli(
        "keys", "create", "billing", "--scopes", "schedule, read", "--name", "backend"
    )

    secret = next(line.strip() for line in out.splitlines() if line.startswith("  duly_"))
    assert code == 0
    assert "A key of billing for backend: read, schedule." in out
    assert "X-Service-Name: billing" in out
    assert keys.verify("billing", secret).service == "billing"


def test_keys_are_listed_without_their_secrets(cli: Cli, using: str) -> None:
    key = created(cli, "--expires", "90d")

    code, out, _ = cli("keys", "list", "billing")

    assert code == 0
    assert key["prefix"] in out
    assert "expires in 89 d 23 h" in out or "expires in 90 d" in out
    assert key["key"] not in out + cli("keys", "list", "--json")[1]
    assert cli("keys", "list", "crm")[1] == "There is no key.\n"


def test_a_rotation_leaves_both_and_a_revocation_none(cli: Cli, using: str) -> None:
    old = created(cli)
    code, out, _ = cli("keys", "rotate", old["prefix"], "--overlap", "2h", "--json")
    new = json.loads(out)
    assert code == 0
    for key in (old, new):
        assert keys.verify("billing", key["key"]).service == "billing"

    assert [cli("keys", "revoke", key["prefix"])[0] for key in (old, new)] == [0, 0]

    for key in (old, new):
        with pytest.raises(Unauthorized):
            keys.verify("billing", key["key"])


def test_the_life_of_a_key_is_told(cli: Cli, using: str) -> None:
    key = created(cli)
    cli("keys", "rotate", key["prefix"], "--overlap", "0s")
    cli("keys", "revoke", key["prefix"])

    code, out, _ = cli("keys", "show", key["prefix"])

    assert code == 0
    assert f"key_issued by cli: billing/{key['prefix']}, for main" in out
    assert "key_rotated by cli" in out
    assert "key_revoked by cli" in out


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        pytest.param(("revoke", "nope"), 1, "no API key has the id or prefix 'nope'", id="none"),
        pytest.param(("create", "x", "--scopes", "root"), 2, "scope must be one of", id="scope"),
        pytest.param(
            ("create", "x", "--scopes", "read", "--expires", "never"),
            2,
            "--expires must be a span",
            id="span",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    cli: Cli, using: str, arguments: tuple[str, ...], code: int, problem: str
) -> None:
    found, _, error = cli("keys", *arguments)

    assert found == code
    assert problem in error


def test_calls_are_told_of_one_actor_or_of_all(cli: Cli, using: str) -> None:
    rows = [Calls("key:a/1", "GET /x", 200, 3), Calls("unknown", "GET /x", 401, 9)]
    write(using, rows, NOW)

    _, everybody, _ = cli("ledger", "calls")
    _, unknown, _ = cli("ledger", "calls", "--actor", "unknown", "--json")

    assert "2026-06-01 12:00:00  key:a/1  GET /x     200     3" in everybody
    assert [row["count"] for row in json.loads(unknown)] == [9]
