"""The example projects work: their own tests, run as their users run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CLINIC = Path(__file__).parents[1] / "examples" / "clinic"
# What this run says to itself would be taken for what that one is asked.
OURS = ("PYTEST_", "DJANGO_SETTINGS_MODULE", "DULY_TEST_")


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """Give a copy: a database that is made in it goes with it."""
    ignored = shutil.ignore_patterns("*.sqlite3*", "__pycache__")
    return shutil.copytree(CLINIC, tmp_path / "clinic", ignore=ignored)


def run(folder: Path, *command: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_clinic_keeps_its_promises(clinic: Path) -> None:
    run(clinic, "-m", "pytest", "-q", "--ignore=tests/test_full_stack.py")


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.redis
def test_the_clinic_runs_on_postgresql_redis_and_celery(clinic: Path) -> None:
    run(clinic, "-m", "pytest", "-q", "tests/test_full_stack.py")


def test_the_clinic_has_its_migrations_and_nothing_to_be_warned_of(clinic: Path) -> None:
    run(clinic, "manage.py", "makemigrations", "--check", "--dry-run")
    check = ("check", "--database", "default", "--fail-level", "WARNING")
    run(clinic, "-W", "error", "manage.py", *check)
