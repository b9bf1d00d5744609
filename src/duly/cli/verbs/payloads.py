"""`duly payloads rotate`: what is stored is encrypted with the newest keys."""

from __future__ import annotations

import json
from argparse import Namespace

from duly import clock, services
from duly.cli.tables import visible
from duly.conf import config
from duly.errors import InvalidEvent
from duly.store.rotation import Rotated, rotate

ACTOR = "cli"
MOST_SHOWN = 20
LARGEST_BATCH = 10_000


def perform(options: Namespace) -> int:
    """Rotate, or say what would be rotated; 1 where something could not be read."""
    if not 1 <= options.batch <= LARGEST_BATCH:
        raise InvalidEvent(f"--batch must be 1 to {LARGEST_BATCH}, got {options.batch}")
    services.registry.refresh()
    using = config().database
    done = rotate(
        using, options.service, options.batch, clock.now(using), ACTOR, dry_run=options.dry_run
    )
    if options.json:
        print(json.dumps(_data(done) | {"dry_run": options.dry_run}))
    else:
        _tell(done, options.dry_run)
    return 1 if done.unreadable or done.left else 0


def _tell(done: Rotated, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    print(
        f"{done.encrypted} payloads {would}encrypted with the newest key, "
        f"{done.decrypted} {would}decrypted"
    )
    if done.left:
        print(f"{done.left} were held by others all the while: run it again")
    for reason in list(done.unreadable.values())[:MOST_SHOWN]:
        print(visible(f"left as it is: {reason}"))
    if len(done.unreadable) > MOST_SHOWN:
        print(f"... and {len(done.unreadable) - MOST_SHOWN} more; --json lists all.")


def _data(done: Rotated) -> dict[str, object]:
    return {
        "encrypted": done.encrypted,
        "decrypted": done.decrypted,
        "left": done.left,
        "unreadable": done.unreadable,
    }
