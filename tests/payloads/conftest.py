"""A service that encrypts, with keys of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet

import duly
from duly import SagaBuilder, definitions, services
from tests.engine.conftest import handle, signals, start_engine, using

__all__ = ["handle", "signals", "start_engine", "using"]

KEYS = {"KEY_1": Fernet.generate_key(), "KEY_2": Fernet.generate_key()}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put both keys into the environment; forget what the last test had."""
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key.decode())
    services.registry.forget()
    yield
    services.registry.forget()


@pytest.fixture
def encrypt(settings: Any, using: str) -> Any:
    """Let services encrypt with keys, newest first; gives the alias of the database."""

    def turn(*names: str, enabled: bool = True, services: tuple[str, ...] = ("crm",)) -> str:
        option = {"keys": [{"env": name} for name in names], "enabled": enabled}
        chosen = {name: {"encryption": option} for name in services} if names else {}
        settings.DULY = {**settings.DULY, "SERVICES": chosen}
        return using

    return turn


@pytest.fixture
def define_saga(handle: Any) -> Iterator[Any]:
    """Define a saga with a step for each service; the handlers do what is given, or nothing."""
    names: list[str] = []

    def define(name: str, services: tuple[str, ...], does: Any = None) -> None:
        def build(builder: SagaBuilder) -> None:
            for index, service in enumerate(services):
                builder.step(f"step{index}", event_type=f"{name}.step{index}", service=service)

        for index in range(len(services)):
            handle(f"{name}.step{index}", does or (lambda occurrence: None))
        duly.saga(name)(build)
        names.append(name)

    yield define
    for name in names:
        definitions.forget(name)
