"""Old releases of the time zone data, as they are on PyPI."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

OLD_VERSION, OLD_RELEASE = "2022.1", "2022a"
"""Before Paraguay, Kazakhstan, Egypt, Mexico, Jordan and Greenland changed their laws."""


def installed(version: str) -> Path:
    """Install one version of the package tzdata beside the tests; gives the folder it is in."""
    target = Path(sys.prefix) / "share" / "duly-tests" / f"tzdata-{version}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            fresh = Path(folder) / "tzdata"
            pip_install(version, fresh)
            try:
                fresh.rename(target)
            except OSError:
                # Another worker of the same run was quicker.
                assert target.is_dir()
    return target


def pip_install(version: str, target: Path) -> None:
    """Put one version of the package tzdata into a folder, over what is there."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps"]
    options = ["--disable-pip-version-check", "--target", str(target), f"tzdata=={version}"]
    subprocess.run(command + options, check=True, capture_output=True)


def zoneinfo(package: Path) -> Path:
    """Give the folder of TZif files within an installed package."""
    return package / "tzdata" / "zoneinfo"


def upgrade(folder: Path, source: Path) -> None:
    """Write the files of one release over those of another, as package managers do."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
