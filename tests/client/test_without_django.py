"""The client is for programs that have no Django, and do not set one up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from duly import client

SOURCE = Path(__file__).parents[2] / "src"
PROGRAM = """
import sys
from datetime import datetime
from importlib.abc import MetaPathFinder

class Without(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused}:
            raise ImportError(f"there is no {{name}}")

sys.meta_path.insert(0, Without())
sys.path.insert(0, {source!r})

from duly.client import Client, NewEvent, NotFound
{then}
"""


def run(refused: set[str], then: str) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(refused=refused, source=str(SOURCE), then=then)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )


def test_it_works_where_there_is_no_django() -> None:
    done = run(
        {"django", "asgiref", "ninja"},
        "client = Client('http://127.0.0.1:9', service='s', api_key='k', retries=0)\n"
        "print(NewEvent('x', datetime(2031, 1, 1), timezone='UTC').to_json())\n"
        "try: client.get('x')\n"
        "except Exception as error: print(type(error).__name__)\n",
    )

    assert done.returncode == 0, done.stderr
    assert "ServiceUnreachable" in done.stdout


def test_rules_work_beside_it_without_django() -> None:
    done = run(
        {"django"},
        "from duly import At\n"
        "print(NewEvent('x', At('2031-03-30T09:00', 'Europe/Berlin')).to_json())",
    )

    assert done.returncode == 0, done.stderr
    assert "'kind': 'at'" in done.stdout


def test_it_says_what_to_install_where_urllib3_is_missing() -> None:
    done = run({"urllib3"}, "Client('http://127.0.0.1:9', service='s', api_key='k')")

    assert "pip install 'duly[client]'" in done.stderr


def test_the_reference_names_every_method_and_every_name() -> None:
    page = (SOURCE.parent / "docs" / "reference" / "api.md").read_text()
    section = page.partition("## The client")[2].partition("\n## ")[0]
    methods = [name for name in vars(client.Client) if not name.startswith("_")]

    assert [name for name in methods if f"`{name}(" not in section] == []
    assert [name for name in client.__all__ if name not in section] == []
