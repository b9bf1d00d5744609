"""Runs the checks, one after the other; what one raises is a finding, not the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module

from django.db import Error as DatabaseError
from django.db import connections, transaction

from duly import clock
from duly.conf import config
from duly.doctor.findings import Check, Finding, Level, Needs, Patient, checks, fail
from duly.errors import ConfigurationError

# In the order in which their checks are listed.
MODULES = ("database", "tables", "listening", "engines", "time_zones", "work", "targets", "growth")
# What takes longer than this on the server harms what the doctor is to look after.
STATEMENT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report."""

    check: str
    finding: Finding


def examine() -> list[Line]:
    """Run every check, in order.

    Where the settings cannot be read, the database does not answer, or has no tables, what needs
    them is left out: one line says so.
    """
    for module in MODULES:
        import_module(f"duly.doctor.{module}")
    try:
        settings = config()
    except ConfigurationError as error:
        return [Line("settings", fail(str(error), "mend DULY in the settings"))]
    using = settings.database
    lines: list[Line] = []
    problem, now = _connect(using)
    if problem:
        lines.append(Line("database", problem))
    there = Needs.NOTHING if problem else _tables(using)
    patient = Patient(using, connections[using].vendor, now, settings)
    for one in checks.values():
        if one.needs.value <= there.value:
            lines += [Line(one.name, finding) for finding in _findings(one, patient)]
    return lines


def verdict(lines: list[Line]) -> Level:
    """Give the worst of all."""
    return max((line.finding.level for line in lines), default=Level.OK)


def _connect(using: str) -> tuple[Finding | None, datetime]:
    try:
        return None, clock.now(using)
    except DatabaseError as error:
        connections[using].close()
        fix = f"see DATABASES[{using!r}], or DULY_DATABASE_URL, and whether the server runs"
        return fail(f"does not answer: {_first_line(error)}", fix), datetime.now(UTC)


def _tables(using: str) -> Needs:
    with connections[using].cursor() as cursor:
        names = connections[using].introspection.table_names(cursor)
    return Needs.TABLES if "duly_scheduledevent" in names else Needs.CONNECTION


def _findings(one: Check, patient: Patient) -> list[Finding]:
    try:
        with _bounded(patient, is_bounded=one.is_bounded and one.needs is not Needs.NOTHING):
            found = one.examine(patient)
            return [found] if isinstance(found, Finding) else list(found)
    except Exception as error:
        if isinstance(error, DatabaseError):
            connections[patient.using].close()
        said = f"could not be looked at: {type(error).__name__}: {_first_line(error)}"
        return [fail(said, "mend that, or report it if it is a fault of duly")]


@contextmanager
def _bounded(patient: Patient, *, is_bounded: bool) -> Iterator[None]:
    """End statements that take too long; by the transaction, for a pooler hands on sessions."""
    if not (is_bounded and patient.is_postgres):
        yield
        return
    with transaction.atomic(patient.using):
        with connections[patient.using].cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
        yield


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300]
