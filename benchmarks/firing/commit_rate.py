"""How many transactions of one row the machine commits in a second, as pgbench counts them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from benchmarks.firing.errors import PeerFailed
from duly.testing.binaries import postgres_bin
from duly.testing.postgres_server import PostgresServer


def commits_per_second(server: PostgresServer, seconds: float) -> float:
    """Insert one row in each transaction, on one connection. Raises PeerFailed without pgbench."""
    beside = postgres_bin() / "pgbench"
    program = str(beside) if beside.exists() else shutil.which("pgbench")
    if program is None:
        raise PeerFailed("pgbench is not installed")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS commit_rate (id bigserial, at timestamptz)")
    parts = urlsplit(server.url)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "insert.sql"
        script.write_text("INSERT INTO commit_rate (at) VALUES (now());\n")
        place = ["-h", "127.0.0.1", "-p", str(parts.port), "-U", str(parts.username)]
        length = ["-T", str(max(1, round(seconds)))]
        done = subprocess.run(
            [program, "-n", "-f", str(script), *length, *place, parts.path.lstrip("/")],
            env=os.environ | {"PGPASSWORD": parts.password or ""},
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
    found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    if found is None:
        raise PeerFailed(f"pgbench failed: {done.stderr}")
    return float(found[1])
