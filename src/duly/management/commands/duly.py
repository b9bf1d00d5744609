"""`manage.py duly <verb>`: the same command line as `duly <verb>`."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from contextlib import redirect_stdout
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, SystemCheckError
from django.db import connections

from duly.cli.arguments import add_verbs
from duly.cli.main import exit_code, main, perform
from duly.errors import DulyError


class Command(BaseCommand):
    """Hands over to `duly.cli`; `call_command("duly", verb, …)` raises CommandError."""

    help = "Durable, timezone-true scheduled events: run, schedule, preview, explain …"

    def run_from_argv(self, argv: list[str]) -> None:
        """Run from the shell: Django has applied --settings and --pythonpath by now."""
        try:
            if not {"-h", "--help", "--version"} & set(argv):
                self.check()
            code = main(argv[2:], prog=f"{os.path.basename(argv[0])} {argv[1]}")
        except SystemCheckError as error:
            self.stderr.write(str(error), lambda text: text)
            code = 1
        finally:
            connections.close_all()
        sys.exit(code)

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what `duly` takes."""
        add_verbs(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run from `call_command`; raises CommandError with the exit code."""
        try:
            with redirect_stdout(options.get("stdout") or sys.stdout):
                code = perform(Namespace(**options))
        except DulyError as error:
            raise CommandError(str(error), returncode=exit_code(error)) from error
        if code:
            raise CommandError(f"duly {options['verb']} ended with {code}", returncode=code)
