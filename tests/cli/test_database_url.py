"""Database URLs, as the standalone mode reads them."""

from __future__ import annotations

import pytest

from duly.errors import ConfigurationError
from duly.service.database_url import database_from_url


@pytest.mark.parametrize(
    ("url", "name"),
    [
        pytest.param("sqlite:///here.sqlite3", "here.sqlite3", id="relative"),
        pytest.param("sqlite:///a/b.sqlite3", "a/b.sqlite3", id="relative-folder"),
        pytest.param("sqlite:////var/lib/d.sqlite3", "/var/lib/d.sqlite3", id="absolute"),
        pytest.param("sqlite:////tmp/two%20words.db", "/tmp/two words.db", id="percent-encoded"),
    ],
)
def test_a_sqlite_url_names_a_file(url: str, name: str) -> None:
    database = database_from_url(url)

    assert database["NAME"] == name
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
    assert "synchronous=FULL" in database["OPTIONS"]["init_command"]


def test_a_postgresql_url_is_taken_apart_and_decoded() -> None:
    url = "postgresql://us%40er:p%2Fw%3A@db.example:6432/app?sslmode=require&connect_timeout=3"

    database = database_from_url(url)

    assert database == {
        "ENGINE": "duly.service.postgresql",
        "NAME": "app",
        "USER": "us@er",
        "PASSWORD": "p/w:",
        "HOST": "db.example",
        "PORT": "6432",
        "OPTIONS": {"sslmode": "require", "connect_timeout": "3"},
    }


@pytest.mark.parametrize(
    ("url", "host"),
    [
        pytest.param("postgresql://postgres:@/app?host=/tmp/Sock", "/tmp/Sock", id="in-query"),
        pytest.param("postgresql://u@%2Ftmp%2FSock/app", "/tmp/Sock", id="percent-encoded"),
        pytest.param("postgresql://u@[::1]:5432/app", "::1", id="ipv6"),
        pytest.param("postgres:///app", "", id="none"),
    ],
)
def test_a_host_may_be_a_folder_of_sockets_or_an_address(url: str, host: str) -> None:
    assert database_from_url(url)["HOST"] == host


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("mysql://u:secret@h/d", "unknown database scheme 'mysql'", id="scheme"),
        pytest.param("duly.sqlite3", "has no scheme", id="no-scheme"),
        pytest.param("sqlite:///", "names no file", id="no-file"),
        pytest.param("sqlite://relative.sqlite3", "names a host", id="two-slashes"),
        pytest.param("sqlite:///:memory:", "one thread alone", id="memory"),
        pytest.param("postgresql://u:secret@h/", "names no database", id="no-database"),
        pytest.param("postgresql://u:secret@h:port/d", "malformed", id="port"),
    ],
)
def test_a_url_that_cannot_work_is_refused_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as refused:
        database_from_url(url)

    assert "secret" not in str(refused.value)


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duly.service.database_url.find_spec", lambda name: None)

    with pytest.raises(ConfigurationError, match=r"pip install 'duly\[postgres\]'"):
        database_from_url("postgresql:///app")
