"""Calls one function of a peer's application, in a process that has only that peer's settings.

`python -m benchmarks.firing.call MODULE FUNCTION [ARGUMENT ...]`; what the function gives is
printed as JSON.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module


def main() -> None:
    module, function, *arguments = sys.argv[1:]
    print(json.dumps(getattr(import_module(module), function)(*arguments)))  # noqa: T201


if __name__ == "__main__":
    main()
