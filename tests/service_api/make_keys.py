"""Makes keys of every kind, in the database that the environment names; prints them as JSON.

`python -m tests.service_api.make_keys`, with DJANGO_SETTINGS_MODULE=duly.service.settings.
"""

from __future__ import annotations

import json
from datetime import timedelta

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from duly import clock  # noqa: E402
from duly.access.keys import Issued, issue_key, revoke_key  # noqa: E402
from duly.conf import config  # noqa: E402
from duly.models import ApiKey  # noqa: E402
from duly.policy.scopes import Scope  # noqa: E402

EVERYTHING_OF_ITS_OWN = tuple(scope for scope in Scope if scope is not Scope.ADMIN)


def main() -> None:
    """Make them."""
    call_command("migrate", verbosity=0)
    keys = {
        "mine": issue_key("mine", "tests", EVERYTHING_OF_ITS_OWN),
        "theirs": issue_key("theirs", "tests", EVERYTHING_OF_ITS_OWN),
        "admin": issue_key("operators", "tests", [Scope.ADMIN]),
        "expired": _expired(issue_key("mine", "expired", EVERYTHING_OF_ITS_OWN)),
        "revoked": _revoked(issue_key("mine", "revoked", EVERYTHING_OF_ITS_OWN)),
    }
    for scope in EVERYTHING_OF_ITS_OWN:
        keys[f"only_{scope.value}"] = issue_key("mine", f"only {scope.value}", [scope])
    print(json.dumps({name: [key.key.service, key.secret] for name, key in keys.items()}))


def _expired(issued: Issued) -> Issued:
    using = config().database
    past = clock.now(using) - timedelta(minutes=1)
    ApiKey.objects.using(using).filter(id=issued.key.id).update(expires_at=past)
    return issued


def _revoked(issued: Issued) -> Issued:
    revoke_key(issued.key.id)
    return issued


if __name__ == "__main__":
    main()
