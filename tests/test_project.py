"""The package is whole, and its files speak of the product alone."""

from __future__ import annotations

import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import duly
from duly.store.contract import Store
from duly.store.portable import PortableStore
from duly.store.statements import statement

ROOT = Path(__file__).parents[1]


def test_the_version_is_one() -> None:
    assert version("duly") == duly.__version__
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()


def test_the_package_ships_its_types_its_sql_and_its_input() -> None:
    package = files("duly")

    assert package.joinpath("py.typed").is_file()
    assert package.joinpath("demo", "appointments.csv").is_file()
    for path in (ROOT / "src/duly/store/sql").glob("*.sql"):
        assert statement(path.stem).startswith("-- "), f"{path.name} says what it guarantees"


def test_the_constraints_pin_everything_and_name_no_host() -> None:
    text = (ROOT / "constraints.txt").read_text()

    assert "://" not in text
    assert all(re.match(r"[a-zA-Z0-9._-]+==", line) for line in text.splitlines() if line)


def test_every_operation_of_the_contract_is_answered_and_no_other() -> None:
    asked = {name for name in vars(Store) if not name.startswith("_")} - {"using"}
    answered = {name for name in vars(PortableStore) if not name.startswith("_")}

    assert answered == asked


def test_every_target_of_make_has_its_help_line() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert targets

    for target in targets[1].split():
        assert re.search(rf"^{target}:.*## ", text, re.MULTILINE), target
