"""`duly <verb>`: reads the command line, makes Django ready, and hands over to the verb."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec

from duly.cli.arguments import build_parser
from duly.cli.tables import visible
from duly.errors import (
    AddressTaken,
    ConfigurationError,
    DulyError,
    EventConflict,
    EventNotFound,
    KeyConflict,
    KeyNotFound,
    SagaConflict,
    SagaNotFound,
)

STANDALONE = "duly.service.settings"
# What serves needs more of Django than other verbs, which start faster without.
STANDALONE_WEB = "duly.service.web_settings"
WITHOUT_TABLES = frozenset({"bench", "demo", "doctor", "preview", "convert", "validate"})

_NOT_DONE = (
    AddressTaken
    | EventNotFound
    | EventConflict
    | KeyNotFound
    | KeyConflict
    | SagaNotFound
    | SagaConflict
)
DONE, NOT_DONE, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None, *, prog: str = "duly") -> int:
    """Run one command; gives its exit code, which `duly --help` explains.

    argv: without the program's name; None means the process's own.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show a character gets its escape, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        options = build_parser(prog).parse_args(argv)
        if options.verb != "demo":
            _prepare(options)
        code = perform(options)
        sys.stdout.flush()
        return code
    except DulyError as error:
        return _complain(str(error), exit_code(error))
    except BrokenPipeError:
        # Whoever read has seen enough; Python would complain once more when it exits.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_DONE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        problem = _known_problem(error)
        if problem is None:
            raise
        return _complain(problem, NOT_DONE)


def perform(options: Namespace) -> int:
    """Do what the options say; Django is ready. Gives the exit code, or raises DulyError."""
    if options.verb == "serve" and find_spec("waitress") is None:
        raise ConfigurationError("duly serve needs waitress: pip install 'duly[server]'")
    # By name: the service builds upon the command line, and not the other way round.
    home = "duly.service" if options.verb == "serve" else "duly.cli.verbs"
    verb = import_module(f"{home}.{options.verb}")
    code: int = verb.perform(options)
    return code


def exit_code(error: DulyError) -> int:
    """Give the exit code that an error ends a command with."""
    return NOT_DONE if isinstance(error, _NOT_DONE) else WRONG_INPUT


def _prepare(options: Namespace) -> None:
    """Make Django ready; stand alone where no settings are named."""
    from django.apps import apps

    if apps.ready:
        return
    if "pythonpath" in options:
        sys.path.insert(0, options.pythonpath)
    if "settings" in options:
        os.environ["DJANGO_SETTINGS_MODULE"] = options.settings
    is_unasked = not {"DJANGO_SETTINGS_MODULE", "DULY_DATABASE_URL"} & os.environ.keys()
    module = os.environ.setdefault("DJANGO_SETTINGS_MODULE", STANDALONE)
    if options.verb == "serve" and module in (STANDALONE, STANDALONE_WEB):
        module = os.environ["DJANGO_SETTINGS_MODULE"] = STANDALONE_WEB
        # The settings read them there, whoever serves.
        off = [part for part in ("api", "admin") if not getattr(options, part)]
        os.environ |= {f"DULY_{part.upper()}": "off" for part in off}
    # As `python -m duly` has it: DULY_HANDLERS and settings are modules of the caller.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    # Imported here: it is slow, and `duly --help` does without it.
    import django

    django.setup()
    from duly.cli import standalone

    if module in (STANDALONE, STANDALONE_WEB):
        standalone.check()
        if is_unasked and os.path.exists("manage.py"):
            told = f"'manage.py duly {options.verb}' would use that of the project here"
            print(f"duly: alone, with a database of its own; {told}", file=sys.stderr)
        if options.verb not in WITHOUT_TABLES:
            standalone.create_tables()


def _known_problem(error: Exception) -> str | None:
    """Say in one line what is not a fault of ours: the database, or the settings."""
    from django.core.exceptions import ImproperlyConfigured
    from django.db import Error as DatabaseError

    match error:
        case DatabaseError() if "duly_" in str(error) and _lacks_table(str(error)):
            return "the database has no tables of duly yet: run 'manage.py migrate'"
        case DatabaseError():
            return f"the database refused: {error}"
        case ImproperlyConfigured():
            return f"the settings do not work: {error}"
        case ModuleNotFoundError(name=str() as name) if name in os.environ.get(
            "DJANGO_SETTINGS_MODULE", ""
        ):
            return f"the settings do not work: {error}"
    return None


def _lacks_table(message: str) -> bool:
    return "no such table" in message or "does not exist" in message


def _complain(message: str, code: int) -> int:
    line = visible(" ".join(message.split()))
    print(f"duly: error: {line}", file=sys.stderr)
    return code
