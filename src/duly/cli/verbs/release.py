"""`duly release`: say that a database is this environment's, so that its engines fire."""

from __future__ import annotations

import json
from argparse import Namespace

from duly import clock
from duly.cli.rehearsal import transaction_or_rehearsal
from duly.cli.tables import visible
from duly.conf import config
from duly.engine.guard import release, stamped_environment
from duly.errors import ConfigurationError


def perform(options: Namespace) -> int:
    """Stamp the database with the environment that the settings name."""
    settings = config()
    if not settings.environment:
        raise ConfigurationError(
            "DULY['ENVIRONMENT'] is empty, so no engine here is held: nothing to release"
        )
    before = stamped_environment(settings.database)
    with transaction_or_rehearsal(options.dry_run):
        release(settings.database, settings.environment, clock.now(settings.database))
    if options.json:
        data = {"dry_run": options.dry_run, "before": before, "environment": settings.environment}
        print(json.dumps(data))
        return 0
    verb = "would be released" if options.dry_run else "released"
    was = f"was {before}'s" if before else "had no stamp"
    print(visible(f"{verb}: the database is {settings.environment}'s now, and {was}"))
    return 0
