"""What each verb takes; needs no Django, so that `--help` works without a project."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from typing import Any

from duly import __version__
from duly.cli.key_arguments import KEYS, add_keys
from duly.cli.parser import EXIT_CODES, Parser

RULES = """\
RULE is one of
  a cron expression    "0 9 * * MON-FRI", "*/10 * * * * *" (with seconds), @daily
  a civil time         2027-03-28T02:30
  an instant           2027-03-28T01:30Z, 2027-03-28T02:30+01:00
  elapsed time         "every 15m", "every 1h30m", PT15M
  a recurrence rule    "FREQ=MONTHLY;BYDAY=-1FR" with --start, or the lines of iCalendar,
                       "DTSTART;TZID=Europe/Berlin:20270101T090000\\nRRULE:FREQ=DAILY"
  the JSON form        '{"kind": "at", ...}', as --json prints it
All but instants, elapsed time and JSON are read in the zone that --tz names."""

COPIES = """\
A copy is "wheel" (the tzdata package), "system", or the path of a folder of TZif files."""

ALONE = """\
Settings are those of DJANGO_SETTINGS_MODULE or --settings. Where neither is given,
duly stands alone, with duly.service.settings, and makes its own tables:
  DULY_DATABASE_URL    postgresql://user:password@host:port/name or sqlite:///file;
                       unset, it is duly.sqlite3 in the current directory
  DULY_HANDLERS        modules that hold handlers, parted by commas
  DULY_<NAME>          any setting of DULY, such as DULY_LEASE_SECONDS=3"""

BENCH = """\
Measures on a database of its own: one that it creates beside the configured one, on the same
server or in the same folder, and drops at the end, or the empty one that --database-url names.
Nothing in your database is read or changed. 0 only if all five promises were kept, else 1."""

SERVE = """\
One process, until SIGTERM or SIGINT. Its first start on a database makes an admin login and an API
key, and shows them once. /health, /ready and /metrics are always there. In a project it serves the
project's own WSGI application."""

PARTITION = """\
What is there stays where it is, as the partition of the past, until the month ends; each
month after it has its own, and engines make those to come. `duly prune` then drops months.
Engines wait while PostgreSQL reads both tables once."""

PAYLOADS = """\
rotate encrypts with the newest key of each service what another key, or none, encrypted; what
belongs to a service that does not encrypt any more is decrypted. Engines and callers may go on
meanwhile; broken off, it goes on where it was. 1 where something could not be read."""

BREAKERS = """\
NAME is "service:" and a service, or "type:" and an event type, as the list shows them."""

DOCTOR = """\
One line for each check: OK, WARN or FAIL, what was found, and what to do about it. Stores
nothing, and looks at no table as a whole.

exit codes of doctor: 0 all is OK, 1 something is to be looked at, 2 something does not work"""

NOTIFY = """\
Engines do it every 15 seconds by themselves. Called by cron, it tells as well that no engine is
alive."""

ON_CONFLICT = ("replace", "keep", "raise")
ON_TZDATA_CHANGE = ("keep_wall", "keep_instant", "hold")


def build_parser(prog: str) -> Parser:
    """Build the parser of `duly` and `manage.py duly`."""
    parser = Parser(
        prog=prog,
        description="Durable, timezone-true scheduled events.",
        epilog=f"{ALONE}\n\n{EXIT_CODES}",
    )
    parser.add_argument("--version", action="version", version=f"duly {__version__}")
    add_verbs(parser)
    return parser


def add_verbs(parser: ArgumentParser) -> None:
    """Give a parser every verb, each with its own arguments."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)
    for name, (summary, description, add_arguments) in _VERBS.items():
        verb = verbs.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.\n\n{description}".strip(),
        )
        add_arguments(verb)
        if add_arguments not in (_tzdata, _ledger, _saga, _payloads, _keys):  # Their own verbs do.
            _add_common(verb)


def _add_common(verb: ArgumentParser) -> None:
    verb.add_argument("--json", action="store_true", help="print JSON")
    # Suppressed where they are not given, so that they do not hide Django's own.
    add = partial(verb.add_argument, default=argparse.SUPPRESS)
    add("--settings", metavar="MODULE", help="Django settings module")
    add("--pythonpath", metavar="DIR", help="directory to find it in")


def _run(verb: ArgumentParser) -> None:
    verb.add_argument(
        "--processes", type=int, default=1, metavar="N", help="engines, each in its own process (1)"
    )
    _add_engine(verb)
    text = "serve /metrics for Prometheus there; each of N processes takes the next one"
    verb.add_argument("--metrics-port", type=int, metavar="PORT", help=text)
    text = "address to serve metrics on (127.0.0.1)"
    verb.add_argument("--metrics-host", default="127.0.0.1", metavar="HOST", help=text)
    verb.add_argument(
        "--once",
        action="store_true",
        help="run what is due now, and stop; a retry that must wait is left to the next run",
    )


def _add_engine(verb: ArgumentParser) -> None:
    verb.add_argument("--concurrency", type=int, metavar="N", help="plain handlers at once")
    verb.add_argument("--async-concurrency", type=int, metavar="N", help="async handlers at once")
    verb.add_argument("--remote-concurrency", type=int, metavar="N", help="HTTP requests at once")
    for name, meaning in (
        ("horizon", "how far ahead of its instant an occurrence is claimed"),
        ("poll", "longest time between two looks at the database"),
        ("lease", "how long a claim lives without a heartbeat"),
        ("grace", "how long a stopping engine waits for what runs"),
    ):
        verb.add_argument(f"--{name}-seconds", type=float, metavar="S", help=meaning)
    verb.add_argument(
        "--listen",
        action=argparse.BooleanOptionalAction,
        help="use LISTEN/NOTIFY on PostgreSQL",
    )
    verb.add_argument(
        "--log", choices=("text", "json"), help="how the log on stderr is written (as configured)"
    )


def _serve(verb: ArgumentParser) -> None:
    text = "address to listen on (127.0.0.1); 0.0.0.0 is every one"
    verb.add_argument("--host", default="127.0.0.1", metavar="HOST", help=text)
    verb.add_argument("--port", type=int, default=8005, metavar="PORT", help="TCP port (8005)")
    text = "requests answered at once (16)"
    verb.add_argument("--threads", type=int, default=16, metavar="N", help=text)
    for part, text in (
        ("engine", "no engine and no workers: 'duly run' fires what is scheduled here"),
        ("api", "no REST under /api/"),
        ("admin", "no admin under /admin/"),
    ):
        verb.add_argument(f"--no-{part}", dest=part, action="store_false", help=text)
    _add_engine(verb)


def _demo(verb: ArgumentParser) -> None:
    verb.add_argument("--seconds", type=float, default=15.0, help="how long events come due (15)")
    verb.add_argument("--events", type=int, default=1000, help="how many come due (1000)")
    verb.add_argument("--database-url", metavar="URL", help="an empty database to run on")
    verb.add_argument("--keep", action="store_true", help="leave the database and the logs")


def _bench(verb: ArgumentParser) -> None:
    length = verb.add_mutually_exclusive_group()
    text = "about how long all of it may take (180)"
    length.add_argument("--seconds", type=float, default=180.0, metavar="S", help=text)
    length.add_argument("--quick", action="store_true", help="half a minute, as for CI")
    verb.add_argument("--events", type=int, metavar="N", help="how many come due at once")
    verb.add_argument("--engines", type=int, default=2, metavar="N", help="engine processes (2)")
    text = "an empty database to run on, where none may be created; its rows are deleted after"
    verb.add_argument("--database-url", metavar="URL", help=text)


def _schedule(verb: ArgumentParser) -> None:
    verb.add_argument("event_type", metavar="TYPE", help="event type, which has a handler")
    verb.add_argument("rule", metavar="RULE")
    _add_zone_and_policies(verb)
    verb.add_argument("--payload", metavar="JSON", help="JSON text, @FILE, or - for stdin")
    _add_entity(verb)
    verb.add_argument("--key", metavar="KEY", help="name of the event within its service")
    verb.add_argument("--service", default="default", metavar="NAME", help="owner of the event")
    verb.add_argument("--user-tz", default="", metavar="ZONE", help="where the person is")
    verb.add_argument("--resource-tz", default="", metavar="ZONE", help="where the thing is")
    verb.add_argument(
        "--on-tzdata-change",
        choices=ON_TZDATA_CHANGE,
        default="keep_wall",
        help="what if new time zone data moves it",
    )
    verb.add_argument(
        "--on-conflict", choices=ON_CONFLICT, default="replace", help="what if the key exists"
    )
    _add_dry_run(verb)


def _upcoming(verb: ArgumentParser) -> None:
    _add_entity(verb)
    verb.add_argument("--service", metavar="NAME", help="only events of this service")
    verb.add_argument("--start", metavar="TIME", help="ISO 8601 with offset; else overdue, too")
    verb.add_argument("--end", metavar="TIME", help="ISO 8601 with offset; not included")
    verb.add_argument("--tz", metavar="ZONE", help="show civil times in this zone")
    _add_reveal(verb)
    _add_count(verb, 20)


def _preview(verb: ArgumentParser) -> None:
    verb.add_argument("rule", metavar="RULE")
    _add_zone_and_policies(verb)
    _add_count(verb, 10)
    verb.add_argument("--after", metavar="TIME", help="ISO 8601 with offset; default: now")
    verb.add_argument(
        "--calendar",
        nargs="?",
        const="month",
        choices=("month", "year"),
        help="show a month, or a year, with firings and clock changes marked",
    )


def _explain(verb: ArgumentParser) -> None:
    verb.add_argument("subject", metavar="RULE|EVENT", help="a rule, or the id or key of an event")
    _add_zone_and_policies(verb)
    start = verb.add_mutually_exclusive_group()
    start.add_argument("--on", metavar="DATE", help="the first firing on or after this civil date")
    start.add_argument("--after", metavar="TIME", help="ISO 8601 with offset; default: now")
    verb.add_argument("--service", metavar="NAME", help="service of the event (default)")


def _cancel(verb: ArgumentParser) -> None:
    verb.add_argument("event", metavar="EVENT", nargs="?", help="id or key")
    verb.add_argument("--service", default="default", metavar="NAME", help="service of the key")
    _add_entity(verb)
    _add_dry_run(verb)


def _add_dead_filters(verb: ArgumentParser) -> None:
    verb.add_argument("--type", metavar="TYPE", help="only of this event type")
    verb.add_argument("--service", metavar="NAME", help="only of this service")
    _add_entity(verb)
    verb.add_argument("--error", metavar="TEXT", help="only where the error holds this")
    verb.add_argument("--start", metavar="TIME", help="due from then on; ISO 8601 with offset")
    verb.add_argument("--end", metavar="TIME", help="due before then")


def _dead(verb: ArgumentParser) -> None:
    verb.add_argument("occurrence", metavar="ID", nargs="?", help="tell the life of this one")
    _add_dead_filters(verb)
    _add_count(verb, 50)


def _replay(verb: ArgumentParser) -> None:
    verb.add_argument("occurrence", metavar="ID", nargs="?", help="this one, however it ended")
    verb.add_argument("--all", action="store_true", help="everything that is dead")
    _add_dead_filters(verb)
    _add_count(verb, 1000)
    _add_dry_run(verb)


def _ledger(verb: ArgumentParser) -> None:
    what = verb.add_subparsers(dest="what", metavar="WHAT", required=True, parser_class=Parser)
    show = what.add_parser("show", help="tell the life of an event")
    show.add_argument("event", metavar="EVENT", help="id or key")
    show.add_argument("--service", default="default", metavar="NAME", help="service of the key")
    _add_count(show, 100)
    verify = what.add_parser("verify", help="compare the ledger with the tables and its seals")
    seal = what.add_parser("seal", help="seal what is not sealed yet; engines do it every minute")
    calls = what.add_parser("calls", help="say who called what over REST, and how it ended")
    calls.add_argument("--actor", metavar="ACTOR", help="such as key:billing/3f9a1c2b04, unknown")
    _add_count(calls, 50)
    for one in (show, verify, seal, calls):
        _add_common(one)


def _saga(verb: ArgumentParser) -> None:
    what = verb.add_subparsers(dest="what", metavar="WHAT", required=True, parser_class=Parser)
    show = what.add_parser("show", help="tell how far a saga has come, step by step")
    _add_reveal(show)
    list_ = what.add_parser("list", help="list sagas, the newest first")
    list_.add_argument("--name", metavar="NAME", help="only sagas of this name")
    list_.add_argument("--status", metavar="STATUS", help="such as waiting, or failed")
    _add_entity(list_)
    _add_count(list_, 20)
    signal = what.add_parser("signal", help="give a saga a signal that it waits for")
    cancel = what.add_parser("cancel", help="let a saga go back: what is done is compensated")
    for one in (show, signal, cancel):
        one.add_argument("saga", metavar="SAGA", help="id or key")
        one.add_argument("--name", default="", metavar="NAME", help="name of the key's saga")
    signal.add_argument("signal", metavar="SIGNAL", help="its name")
    signal.add_argument("--value", metavar="JSON", help="JSON text, @FILE, or - for stdin")
    cancel.add_argument("--reason", default="", metavar="TEXT", help="why, for the ledger")
    for one in (signal, cancel):
        _add_dry_run(one)
    for one in (show, list_, signal, cancel):
        _add_common(one)


def _keys(verb: ArgumentParser) -> None:
    add_keys(verb, _add_common)


def _release(verb: ArgumentParser) -> None:
    _add_dry_run(verb)


def _breakers(verb: ArgumentParser) -> None:
    which = verb.add_mutually_exclusive_group()
    which.add_argument("--open", metavar="NAME", help="deliver nothing until it is closed")
    which.add_argument("--close", metavar="NAME", help="let what waits through, step by step")


def _slo(verb: ArgumentParser) -> None:
    verb.add_argument("--window", default="24h", metavar="SPAN", help="how far back (24h)")
    verb.add_argument(
        "--share", type=float, default=99.9, metavar="PERCENT", help="within 1 min (99.9)"
    )


def _doctor(verb: ArgumentParser) -> None:
    """Take nothing of its own."""


def _top(verb: ArgumentParser) -> None:
    verb.add_argument("--once", action="store_true", help="show it once, as for scripts")
    text = "time between two looks (2)"
    verb.add_argument("--every", type=float, default=2.0, metavar="S", help=text)


def _notify(verb: ArgumentParser) -> None:
    text = "send a message through every channel; 1 where one fails"
    verb.add_argument("--test", action="store_true", help=text)


def _prune(verb: ArgumentParser) -> None:
    text = "how long ago it must have ended, such as 90d; default: RETENTION_DAYS"
    verb.add_argument("--older-than", metavar="SPAN", help=text)
    verb.add_argument("--dead", action="store_true", help="dead occurrences as well")
    _add_dry_run(verb)


def _payloads(verb: ArgumentParser) -> None:
    what = verb.add_subparsers(dest="what", metavar="WHAT", required=True, parser_class=Parser)
    rotate = what.add_parser("rotate", help="encrypt what is stored with the newest key")
    rotate.add_argument("--service", metavar="NAME", help="only payloads of this service")
    text = "rows that are written together (200)"
    rotate.add_argument("--batch", type=int, default=200, metavar="N", help=text)
    _add_dry_run(rotate)
    _add_common(rotate)


def _partition(verb: ArgumentParser) -> None:
    _add_dry_run(verb)


def _convert(verb: ArgumentParser) -> None:
    verb.add_argument(
        "moment", metavar="TIME", help="civil time with --tz, or ISO 8601 with offset"
    )
    verb.add_argument("zones", metavar="ZONE", nargs="+", help="IANA names")
    verb.add_argument("--tz", metavar="ZONE", help="where TIME is read, if it has no offset")


def _validate(verb: ArgumentParser) -> None:
    verb.add_argument("resource_tz", metavar="RESOURCE", help="the zone where the thing is")
    verb.add_argument("user_tz", metavar="USER", help="the zone where the person is")
    verb.add_argument("--at", metavar="TIME", help="compare them then; default: now")
    verb.add_argument("--local", metavar="TIME", help="a civil time to look at as well")
    verb.add_argument("--tz", metavar="ZONE", help="where that is read; default: RESOURCE")


def _tzdata(verb: ArgumentParser) -> None:
    what = verb.add_subparsers(dest="what", metavar="WHAT", required=True, parser_class=Parser)
    status = what.add_parser("status", help="say which data is there, and which the events follow")
    diff = what.add_parser(
        "diff",
        help="compare two copies of the data, and show the events that the second would move",
        description=f"Compare two copies of the time zone data.\n\n{COPIES}",
    )
    diff.add_argument("old", metavar="OLD", help="wheel, system, or a folder")
    diff.add_argument("new", metavar="NEW", nargs="?", help="default: the copy in use")
    diff.add_argument("--zone", metavar="ZONE", help="this zone only")
    apply = what.add_parser(
        "apply",
        help="move the events whose zones have other data than they follow",
        description="Move the events whose zones have other data than they follow. Engines do "
        "it by themselves\nwithin a minute, unless their data is older than what events follow.",
    )
    apply.add_argument("--watch", action="store_true", help="go on, whenever the data changes")
    _add_dry_run(apply)
    for one in (status, diff, apply):
        _add_common(one)


def _add_zone_and_policies(verb: ArgumentParser) -> None:
    verb.add_argument("--tz", metavar="ZONE", help="IANA name, such as Europe/Berlin")
    # Not `choices`: the rule itself says what it knows, in the words of its own error.
    verb.add_argument("--gap", metavar="POLICY", help="a civil time that does not exist")
    verb.add_argument("--fold", metavar="POLICY", help="a civil time that exists twice")
    verb.add_argument("--day-match", metavar="HOW", help="cron's two day fields: vixie or and")
    terms = verb.add_argument_group("terms that a rule may add")
    for name, metavar, meaning in (
        ("start", "TIME", "the first civil time (a recurrence rule counts from it), or instant"),
        ("end", "TIME", "the civil time or instant before which it ends"),
        ("jitter", "SPAN", "spread each firing over so long after its time, such as 5m"),
        ("holidays", "CODE", "business days of a country, such as DE or DE-BY"),
        ("closed", "DATES", "further closed dates, parted by commas"),
        ("open", "DATES", "dates that are open all the same"),
        ("weekend", "DAYS", "closed weekdays, such as fri,sat; default: the country's"),
        ("on-closed", "POLICY", "skip, next_business_day or previous_business_day"),
    ):
        terms.add_argument(f"--{name}", metavar=metavar, help=meaning)
    terms.add_argument("--max", type=int, metavar="N", help="fire so many times at most")


def _add_entity(verb: ArgumentParser) -> None:
    verb.add_argument("--entity", metavar="TYPE:ID", help="such as appointment:42")


def _add_reveal(verb: ArgumentParser) -> None:
    text = "show payloads whole, those that are encrypted or redacted, too"
    verb.add_argument("--reveal", action="store_true", help=text)


def _add_count(verb: ArgumentParser, default: int) -> None:
    text = f"how many ({default})"
    verb.add_argument("-n", "--count", type=int, default=default, metavar="N", help=text)


def _add_dry_run(verb: ArgumentParser) -> None:
    verb.add_argument("--dry-run", action="store_true", help="say what it would do; store nothing")


_VERBS: dict[str, tuple[str, str, Callable[[ArgumentParser], Any]]] = {
    "run": ("run an engine until SIGTERM or SIGINT", "", _run),
    "serve": ("serve REST and the admin, and run an engine", SERVE, _serve),
    "demo": ("fire events, kill an engine, and prove that nothing was lost", "", _demo),
    "bench": ("measure the five promises on your database and machine", BENCH, _bench),
    "schedule": ("schedule an event", RULES, _schedule),
    "upcoming": ("list what comes up", "", _upcoming),
    "preview": ("show when a rule fires next", RULES, _preview),
    "explain": ("say why a rule or an event is due when it is", RULES, _explain),
    "convert": ("show one moment in many time zones", "", _convert),
    "validate": ("say what differs between two time zones, and what is wrong", "", _validate),
    "tzdata": ("status, diff and apply: when the time zone data changes", "", _tzdata),
    "dead": ("list what died, or tell the life of one occurrence", "", _dead),
    "replay": ("run again what has ended, under the same idempotency key", "", _replay),
    "ledger": ("show the life of an event, or who called; verify all of it", "", _ledger),
    "saga": ("show, list, signal and cancel sagas", "", _saga),
    "keys": ("create, list, show, rotate and revoke API keys", KEYS, _keys),
    "release": ("let engines fire on a database that came from another environment", "", _release),
    "prune": ("delete the history of what ended long ago", "", _prune),
    "payloads": ("rotate: encrypt what is stored with the newest keys", PAYLOADS, _payloads),
    "partition": ("divide occurrences and ledger by month, on PostgreSQL", PARTITION, _partition),
    "breakers": ("list circuit breakers, open or close one", BREAKERS, _breakers),
    "slo": ("say how punctual it was, and whether objectives were met", "", _slo),
    "doctor": ("look at everything that may be wrong, and say what to do", DOCTOR, _doctor),
    "top": ("watch what is due, late, running and dead; q quits", "", _top),
    "notify": ("look for failures once, and tell whom DULY['NOTIFY'] names", NOTIFY, _notify),
    "cancel": ("cancel an event, or all events of an entity", "", _cancel),
}
