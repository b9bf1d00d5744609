"""The parser: like argparse, but a mistake is one clear line and not a page."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from duly.errors import DulyError

EXIT_CODES = """\
exit codes:
  0  done
  1  what was asked for could not be done: no such event, too late, no database
  2  wrong input"""


class WrongCommand(DulyError, ValueError):
    """A command line that cannot be understood."""


class Parser(argparse.ArgumentParser):
    """Raises WrongCommand where argparse would print its usage and exit."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("epilog", EXIT_CODES)
        # An abbreviation that works today is ambiguous with tomorrow's option.
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        raise WrongCommand(f"{message}; see {self.prog} --help")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        options, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unknown argument {rest[0]!r}{did_you_mean(rest[0], self._options())}")
        return options, rest

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            near = did_you_mean(str(value), known) or f"; it is one of {', '.join(known)}"
            raise argparse.ArgumentError(action, f"{value!r} is not known{near}")

    def _options(self) -> list[str]:
        return list(self._option_string_actions)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Give "; did you mean 'this'?" where one of the known words is near, else ""."""
    near = get_close_matches(word.partition("=")[0], list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
