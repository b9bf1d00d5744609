"""What the environment says of the service, and what it must not say."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from duly.errors import ConfigurationError
from duly.service.options import ServiceOptions, options_from
from duly.service.secret_key import secret_key


def test_nothing_said_is_a_service_for_this_machine_alone() -> None:
    options = options_from({})

    assert options == ServiceOptions()
    assert options.hosts == ["localhost", "127.0.0.1", "[::1]"]
    assert not options.is_https


def test_a_public_url_brings_its_host_and_its_origin() -> None:
    options = options_from({"DULY_PUBLIC_URL": "https://duly.example.com:8443/"})

    assert options.hosts[-1] == "duly.example.com"
    assert options.origin == "https://duly.example.com:8443"
    assert options.is_https


def test_hosts_are_parted_by_commas() -> None:
    assert options_from({"DULY_ALLOWED_HOSTS": "a.example, b.example"}).hosts == [
        "a.example",
        "b.example",
    ]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        pytest.param("API", "perhaps", "must be true or false, got 'perhaps'", id="switch"),
        pytest.param("PUBLIC_URL", "duly.example.com", "must be like https://", id="url"),
        pytest.param("MAX_BODY_BYTES", "much", "must be a number, got 'much'", id="number"),
        pytest.param("MAX_BODY_BYTES", "0", "must be 1 or more, got 0", id="body"),
        pytest.param("CONNECTIONS", "3", "must be 10 or more, got 3", id="connections"),
        pytest.param("READY_LATENESS_SECONDS", "-1", "must be 0 or more, got -1.0", id="late"),
        pytest.param("READY_LATENESS_SECONDS", "nan", "must be a number", id="nan"),
        pytest.param("METRICS_TOKEN", "abc", "must have 16 characters or more", id="token"),
    ],
)
def test_what_cannot_work_is_refused_by_name(name: str, value: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"DULY_{name} {message}"):
        options_from({f"DULY_{name}": value})


def test_a_token_that_is_refused_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as refused:
        options_from({"DULY_METRICS_TOKEN": "s3cret"})

    assert "s3cret" not in str(refused.value)


def test_a_secret_key_that_is_given_is_kept_nowhere(tmp_path: Path) -> None:
    key = "k" * 40

    assert secret_key({"DULY_SECRET_KEY": key}, tmp_path / "duly.sqlite3") == key
    assert list(tmp_path.iterdir()) == []


def test_those_who_make_the_secret_key_at_once_have_the_same(tmp_path: Path) -> None:
    found: set[str] = set()
    ready = threading.Barrier(8)

    def make() -> None:
        ready.wait()
        found.add(secret_key({}, tmp_path / "duly.sqlite3"))

    makers = [threading.Thread(target=make) for _ in range(8)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()

    assert len(found) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["duly.secret-key"]


def test_where_no_key_can_be_kept_it_is_said_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be kept in .* set DULY_SECRET_KEY"):
        secret_key({}, tmp_path / "no such folder" / "duly.sqlite3")
