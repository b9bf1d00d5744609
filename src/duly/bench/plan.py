"""What the bench hands to its processes, in a file that only its user can read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from duly.bench.options import BenchOptions
from duly.errors import ConfigurationError

DIRECTORY_VARIABLE = "DULY_BENCH_DIRECTORY"
_FILE = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The database to run on, the settings to run with, and how large it all is."""

    options: BenchOptions
    database: dict[str, Any]
    """An entry of Django's DATABASES; with its password, so it never goes on a command line."""
    duly: dict[str, Any]
    """The settings of DULY."""
    where: str
    """Which database that is, in words."""
    is_ours: bool
    """Whether the database was made for the bench, and is dropped after it."""

    def write(self, directory: Path) -> None:
        """Write it. Raises ConfigurationError for an option that another process cannot get."""
        try:
            text = json.dumps(asdict(self), default=_as_text)
        except TypeError as error:
            raise ConfigurationError(
                f"the database's OPTIONS hold what cannot be handed to another process: {error}; "
                "name an empty database with --database-url"
            ) from None
        path = directory / _FILE
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")

    @classmethod
    def read(cls) -> Plan:
        """Read the plan of the directory that the environment names."""
        data = json.loads((directory() / _FILE).read_text("utf-8"))
        return cls(**data | {"options": BenchOptions(**data["options"])})


def directory() -> Path:
    """Give the directory of this run."""
    return Path(os.environ[DIRECTORY_VARIABLE])


def _as_text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{value!r:.60}")
