"""The mutants still fit the code that they break; `make mutants` tries them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.faults.mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_safeguard_is_where_its_mutant_takes_it_out(mutant: Mutant, tmp_path: Path) -> None:
    for path in (mutant.path, *(path for path, _, _ in mutant.also)):
        (tmp_path / "duly" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "src" / "duly" / path, tmp_path / "duly" / path)

    mutant.apply(tmp_path)
