"""deploy/systemd: systemd itself finds nothing wrong with the units, nor much exposed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from duly.cli.arguments import build_parser

FOLDER = Path(__file__).parents[2] / "deploy/systemd"
UNITS = sorted(FOLDER.glob("*.service"))
PROGRAM = "/opt/duly/bin/duly"
MOST_EXPOSED = 2.0
has_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze"
)
# What the manual knows, systemd.unit(5), .service(5), .exec(5), .kill(5); of it, what we use.
KNOWN = {
    "Unit": {"Description", "Documentation", "After", "Wants"},
    "Service": {
        *("Type", "User", "Group", "EnvironmentFile", "StateDirectory", "StateDirectoryMode"),
        *("WorkingDirectory", "ExecStart", "Restart", "RestartSec", "TimeoutStartSec"),
        *("TimeoutStopSec", "KillMode", "LimitNOFILE", "UMask", "CapabilityBoundingSet"),
        *("AmbientCapabilities", "NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateTmp"),
        *("PrivateDevices", "ProtectClock", "ProtectControlGroups", "ProtectHostname"),
        *("ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc"),
        *("ProcSubset", "LockPersonality", "MemoryDenyWriteExecute", "RemoveIPC"),
        *("RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime"),
        *("RestrictSUIDSGID", "SystemCallArchitectures", "SystemCallErrorNumber"),
        "SystemCallFilter",
    },
    "Install": {"WantedBy"},
}


def _parsed(unit: Path) -> dict[str, list[tuple[str, str]]]:
    sections: dict[str, list[tuple[str, str]]] = {}
    for line in unit.read_text().splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            sections[header[1]] = current = []
        elif line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            assert equals, line
            current.append((name, value))
    return sections


def _without_our_program(unit: Path, folder: Path) -> Path:
    """Give a copy that starts a program which this machine has: systemd looks for it."""
    copy = folder / unit.name
    copy.write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    return copy


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_says_only_what_systemd_knows(unit: Path) -> None:
    sections = _parsed(unit)

    assert set(sections) == set(KNOWN)
    for section, settings in sections.items():
        assert {name for name, _ in settings} <= KNOWN[section]


@has_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    copy = _without_our_program(unit, tmp_path)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


@has_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_little_exposed(unit: Path, tmp_path: Path) -> None:
    copy = _without_our_program(unit, tmp_path)
    told = subprocess.check_output(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", copy], text=True
    )
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)

    assert level
    assert float(level[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_duly_takes_the_command(unit: Path) -> None:
    settings = dict(_parsed(unit)["Service"])
    program, *arguments = settings["ExecStart"].split()

    assert program == PROGRAM
    assert build_parser("duly").parse_args(arguments).verb in ("serve", "run")
    assert int(settings["TimeoutStopSec"]) > 25
