"""Another process that takes requests of one service until it has tried so often.

Arguments: how often, and the present instant in ISO 8601. Prints how many were let in.
"""

from __future__ import annotations

import sys
from datetime import datetime

import django

django.setup()

from duly.access.caller import Caller  # noqa: E402 - models want settings
from duly.access.quotas import admit_request  # noqa: E402
from duly.access.refusals import QuotaExceeded  # noqa: E402


def main() -> None:
    caller = Caller(actor="key:billing/x", service="billing", scopes=frozenset())
    admitted, now = 0, datetime.fromisoformat(sys.argv[2])
    for _ in range(int(sys.argv[1])):
        try:
            admit_request(caller, now)
        except QuotaExceeded:
            continue
        admitted += 1
    print(admitted)


main()
