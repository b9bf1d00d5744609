"""The oracle reads the same tz data as duly."""

from __future__ import annotations

import pytest

from tests.civil import oracle


@pytest.fixture(scope="session", autouse=True)
def _same_data() -> None:
    oracle.use_the_same_data()
