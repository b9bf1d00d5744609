"""What `duly keys` takes; needs no Django, as the other arguments."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable

from duly.cli.parser import Parser

KEYS = """\
A key is shown once, when it is made; the database holds its digest. Scopes are read, schedule,
cancel, replay, and admin, which is all of it, for every service. KEY is a key's id or prefix."""


def add_keys(verb: ArgumentParser, add_common: Callable[[ArgumentParser], None]) -> None:
    """Give `keys` its own verbs."""
    what = verb.add_subparsers(dest="what", metavar="WHAT", required=True, parser_class=Parser)
    create = what.add_parser("create", help="make a key of a service, and show it once")
    create.add_argument("service", metavar="SERVICE", help="whose events it sees and touches")
    create.add_argument("--name", default="main", metavar="NAME", help="what it is for (main)")
    text = "parted by commas, such as schedule,read"
    create.add_argument("--scopes", required=True, metavar="SCOPES", help=text)
    list_ = what.add_parser("list", help="list keys, the expired and revoked ones too")
    list_.add_argument("service", metavar="SERVICE", nargs="?", help="only keys of this one")
    show = what.add_parser("show", help="tell the life of a key: who made it, who ended it")
    rotate = what.add_parser("rotate", help="make a key in place of another; both work for a while")
    rotate.add_argument(
        "--overlap", default="1d", metavar="SPAN", help="how long the old one works on (1d)"
    )
    revoke = what.add_parser("revoke", help="end a key at once, for good")
    for one in (show, rotate, revoke):
        one.add_argument("key", metavar="KEY", help="id or prefix")
    for one in (create, rotate):
        text = "when it ends, such as 90d"
        one.add_argument("--expires", metavar="SPAN", help=text)
    for one in (create, list_, show, rotate, revoke):
        add_common(one)
