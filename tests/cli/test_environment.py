"""Settings from the environment, as the standalone mode reads them."""

from __future__ import annotations

import pytest

from duly.errors import ConfigurationError
from duly.service.environment import names_in, settings_from


def test_every_setting_has_its_own_type() -> None:
    environment = {
        "DULY_LEASE_SECONDS": "3",
        "DULY_CONCURRENCY": "32",
        "DULY_LISTEN": "false",
        "DULY_TZDATA": "system",
        "DULY_DATABASE_URL": "sqlite:///elsewhere.sqlite3",
        "PATH": "/bin",
    }

    assert settings_from(environment) == {
        "LEASE_SECONDS": 3.0,
        "CONCURRENCY": 32,
        "LISTEN": False,
        "TZDATA": "system",
    }


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        pytest.param("DULY_CONCURRENCY", "many", "a whole number", id="word-for-number"),
        pytest.param("DULY_CONCURRENCY", "1.5", "a whole number", id="part-of-a-handler"),
        pytest.param("DULY_LEASE_SECONDS", "nan", "a number", id="nan"),
        pytest.param("DULY_LEASE_SECONDS", "inf", "a number", id="infinity"),
        pytest.param("DULY_LISTEN", "maybe", "true or false", id="maybe"),
    ],
)
def test_a_value_of_another_type_names_its_variable(variable: str, value: str, rule: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable} must be {rule}, got '{value}'"):
        settings_from({variable: value})


def test_handler_modules_are_parted_by_commas() -> None:
    assert names_in("shop.handlers, post.handlers,") == ["shop.handlers", "post.handlers"]
