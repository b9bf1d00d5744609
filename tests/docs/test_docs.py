"""The documentation is true: its examples run, its links lead somewhere, its tables are whole."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import pytest

import duly
from duly import checks
from duly.admin import PAGES as ADMIN
from duly.conf import KNOWN
from duly.models import ScheduledEvent

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/*/*.md"),
    ]
)
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)")
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_python_block_is_python(page: Path) -> None:
    for block in PYTHON.findall(page.read_text()):
        if ">>>" not in block:
            compile(block, str(page), "exec")


def test_the_examples_of_testing_run() -> None:
    page = ROOT / "docs" / "how-to" / "testing.md"
    for block in PYTHON.findall(page.read_text()):
        if "PostgresServer" not in block:  # Its own tests start one.
            exec(compile(block, str(page), "exec"), {})


def test_the_reference_says_what_python_says() -> None:
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    page = ROOT / "docs/reference/api.md"

    result = doctest.testfile(str(page), module_relative=False, optionflags=options)

    assert result.attempted >= 8
    assert result.failed == 0


def test_the_reference_names_everything_that_is_public() -> None:
    text = (ROOT / "docs/reference/api.md").read_text()
    unnamed = [name for name in duly.__all__ if name not in text and name != "__version__"]

    assert unnamed == []


def test_every_public_name_can_be_had() -> None:
    for name in duly.__all__:
        assert getattr(duly, name) is not None


def test_the_reference_names_every_setting_and_no_other() -> None:
    text = (ROOT / "docs/reference/settings.md").read_text()

    assert set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)) == KNOWN


def test_the_reference_names_every_check() -> None:
    text = (ROOT / "docs/reference/settings.md").read_text()
    source = Path(checks.__file__).read_text()

    assert set(re.findall(r'id="(duly\.[EW]\d+)"', source)) == set(
        re.findall(r"^\| `(duly\.[EW]\d+)`", text, re.MULTILINE)
    )


def test_the_five_minutes_of_the_readme_schedule_what_they_say(
    database: str, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    blocks = PYTHON.findall((ROOT / "README.md").read_text())
    (scheduling,) = [block for block in blocks if "schedule_event(" in block]

    exec(scheduling, {})

    event = ScheduledEvent.objects.using(database).get()
    assert event.next_at is not None
    assert event.next_at.isoformat() == "2031-03-29T22:00:00+00:00"
    assert "09:00 +11:00 Australia/Sydney" in capsys.readouterr().out


def test_the_reference_names_every_permission() -> None:
    text = (ROOT / "docs/reference/permissions.md").read_text()
    own = [name for model in ADMIN for name, _ in model._meta.permissions]
    viewed = [f"view_{model._meta.model_name}" for model in ADMIN if not model._meta.proxy]

    assert [name for name in [*own, *viewed] if f"`duly.{name}`" not in text] == []
