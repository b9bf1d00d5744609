"""deploy/compose.yaml is what the Compose specification allows, and hangs together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from duly.cli.arguments import build_parser
from duly.service.environment import settings_from
from duly.service.options import options_from

DEPLOY = Path(__file__).parents[2] / "deploy"
SCHEMA = json.loads((Path(__file__).parent / "schemas/compose-spec.json").read_text())


@pytest.fixture
def compose() -> dict[str, Any]:
    """The file, with what its anchors stand for."""
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    """Give the environment that a container of ours gets, with the file of secrets filled in."""
    lines = (DEPLOY / "duly.env.example").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    own: dict[str, str] = service["environment"]
    return {name: value or "x" * 48 for name, _, value in pairs} | own


def test_compose_is_what_its_schema_allows(compose: dict[str, Any]) -> None:
    # The schema names a draft of which it uses nothing that the seventh has not.
    errors = [error.message for error in Draft7Validator(SCHEMA).iter_errors(compose)]

    assert errors == []


def test_a_misspelt_key_is_found_by_the_schema(compose: dict[str, Any]) -> None:
    compose["services"]["engine"]["healtcheck"] = {}

    assert list(Draft7Validator(SCHEMA).iter_errors(compose))


def test_compose_has_a_database_a_broker_a_service_engines_and_workers(
    compose: dict[str, Any],
) -> None:
    services = compose["services"]

    assert set(services) == {"postgres", "redis", "duly", "engine", "worker"}
    assert services["engine"]["deploy"]["replicas"] == 2
    assert services["worker"]["deploy"]["replicas"] == 2


def test_every_container_has_its_health_watched(compose: dict[str, Any]) -> None:
    image_has_one = "HEALTHCHECK" in (DEPLOY / "Containerfile").read_text()

    for name, service in compose["services"].items():
        assert "healthcheck" in service or (image_has_one and service["image"] == "duly:local"), (
            name
        )


def test_everything_that_is_waited_for_is_there(compose: dict[str, Any]) -> None:
    services = compose["services"]

    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in compose["volumes"]


@pytest.mark.parametrize("name", ["duly", "engine"])
def test_duly_takes_the_command_and_the_environment(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    environment = environment_of(service)

    options = build_parser("duly").parse_args(service["command"])

    assert options.host == "0.0.0.0"
    assert options_from(environment).allowed_hosts == ("localhost", "127.0.0.1", "duly")
    assert settings_from(environment)["SERVICES"]["communication"]["queue"] == "communication"


def test_no_secret_is_written_into_the_file(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for variable in service.get("environment", {}):
            assert not any(word in variable for word in ("PASSWORD", "SECRET", "URL", "TOKEN"))
