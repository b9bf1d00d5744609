"""deploy/kubernetes is what Kubernetes' own schemas allow, and hangs together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from duly.cli.arguments import build_parser
from duly.service.environment import settings_from
from duly.service.options import options_from

FOLDER = Path(__file__).parents[2] / "deploy/kubernetes"
SCHEMAS = json.loads((Path(__file__).parent / "schemas/kubernetes-1.37.json").read_text())
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())


def _manifests() -> list[dict[str, Any]]:
    names = sorted(set(KUSTOMIZATION["resources"]))
    return [one for name in names for one in yaml.safe_load_all((FOLDER / name).read_text())]


MANIFESTS = _manifests()
DEPLOYMENTS = [one for one in MANIFESTS if one["kind"] == "Deployment"]


def _name(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def _errors(manifest: dict[str, Any]) -> list[str]:
    schema = SCHEMAS["kinds"][f"{manifest['apiVersion']}/{manifest['kind']}"]
    validator = Draft202012Validator(schema | {"$defs": SCHEMAS["$defs"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(manifest)]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=_name)
def test_a_manifest_is_what_its_schema_allows(manifest: dict[str, Any]) -> None:
    assert _errors(manifest) == []


def test_a_misspelt_field_is_found_by_the_schema() -> None:
    manifest = json.loads(json.dumps(DEPLOYMENTS[0]))
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["readynessProbe"] = container.pop("readinessProbe")

    assert _errors(manifest) != []


def test_every_file_is_listed() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}

    assert set(KUSTOMIZATION["resources"]) == files


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=_name)
def test_pods_are_watched_limited_and_may_do_little(deployment: dict[str, Any]) -> None:
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert {"requests", "limits"} == set(container["resources"])
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    assert [container[probe]["httpGet"]["path"] for probe in probes] == [
        "/health",
        "/health",
        "/ready",
    ]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=_name)
def test_selectors_find_the_pods(deployment: dict[str, Any]) -> None:
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    budgets = [one for one in MANIFESTS if one["kind"] == "PodDisruptionBudget"]

    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert [one for one in budgets if one["spec"]["selector"]["matchLabels"] == labels]


def test_the_service_leads_to_the_pods_that_have_rest() -> None:
    (service,) = [one for one in MANIFESTS if one["kind"] == "Service"]
    (api,) = [one for one in DEPLOYMENTS if one["metadata"]["name"] == "duly-api"]
    (container,) = api["spec"]["template"]["spec"]["containers"]

    assert service["spec"]["selector"] == api["spec"]["template"]["metadata"]["labels"]
    assert container["ports"][0]["name"] == service["spec"]["ports"][0]["targetPort"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=_name)
def test_duly_takes_the_arguments_and_the_configuration(deployment: dict[str, Any]) -> None:
    (configuration,) = [one for one in MANIFESTS if one["kind"] == "ConfigMap"]
    pod = deployment["spec"]["template"]["spec"]
    environment = configuration["data"]

    options = build_parser("duly").parse_args(pod["containers"][0]["args"])

    assert options.port == pod["containers"][0]["ports"][0]["containerPort"]
    assert options_from(environment).is_https
    grace = settings_from(environment)["GRACE_SECONDS"]
    assert pod["terminationGracePeriodSeconds"] > grace + 10
