"""`duly notify`: one look for failures, as for cron, where no engine may be alive."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import timedelta

from duly import clock
from duly.cli.tables import visible
from duly.conf import config
from duly.engine.channels import Message, send
from duly.engine.notify import look
from duly.errors import ConfigurationError
from duly.policy.notify import Notify


def perform(options: Namespace) -> int:
    """Look once, and tell; with --test, send a message through every channel: 1 where one fails."""
    settings = config()
    if settings.notify is None:
        raise ConfigurationError("DULY['NOTIFY'] says nobody to tell: give it email or webhook")
    now = clock.now(settings.database)
    if options.test:
        return _test(options, settings.notify, settings.environment)
    count = look(settings.database, now, settings.notify, settings.environment, timedelta(0))
    if options.json:
        print(json.dumps({"groups": count}))
    elif count:
        print(f"told of {count} groups of failures by {', '.join(settings.notify.channels)}")
    else:
        print("nothing to tell")
    return 0


def _test(options: Namespace, notify: Notify, environment: str) -> int:
    using = config().database
    place = f"duly {environment}".strip()
    subject = f"[{place}] a test: nothing has failed"
    text = "Somebody tried 'duly notify --test'. This is how you will be told of failures.\n"
    data = {"environment": environment, "subject": subject, "groups": []}
    errors = send(Message(subject, text, data), notify, using, clock.now(using))
    if options.json:
        print(json.dumps({"channels": notify.channels, "errors": errors}))
        return 1 if errors else 0
    for channel in notify.channels:
        print(visible(f"{channel}: {errors.get(channel, 'sent')}"))
    return 1 if errors else 0
