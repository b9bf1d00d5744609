"""What is left behind that would need a hand, and how the bench leaves a database."""

from __future__ import annotations

from django.apps import apps
from django.core.checks import WARNING, run_checks
from django.core.management.color import no_style
from django.db import connections

from duly import clock
from duly.bench.measurements import Care
from duly.models import Occurrence, ScheduledEvent
from duly.policy.states import EventStatus, OccurrenceStatus
from duly.store.portable import NO_HANDLER
from duly.store.seals import verify_seals
from duly.store.verify import Verified, verify


def care(using: str) -> Care:
    """Look for whatever a person would have to look at."""
    now = clock.now(using)
    occurrences = Occurrence.objects.using(using)
    events = ScheduledEvent.objects.using(using)
    live = occurrences.filter(wake_at__isnull=False)
    parked = live.filter(reason__startswith=NO_HANDLER).count()
    paused = events.filter(status=EventStatus.PAUSED).count()
    warnings = [one for one in run_checks(databases=[using]) if one.level >= WARNING]
    disagreements = [*(str(one) for one in verify(using, Verified())), *verify_seals(using)]
    return Care(
        dead=occurrences.filter(status=OccurrenceStatus.DEAD).count(),
        parked=parked + paused,
        stuck=live.count() - parked + events.filter(next_at__lte=now).count(),
        warnings=tuple(f"{one.id}: {one.msg}" for one in warnings),
        disagreements=tuple(disagreements),
    )


def tables_in_use(using: str) -> list[str]:
    """Name the tables of duly that are there and hold rows."""
    connection = connections[using]
    present = set(connection.introspection.table_names())
    return [
        model._meta.db_table
        for model in apps.get_app_config("duly").get_models()
        if model._meta.db_table in present and model._base_manager.using(using).exists()
    ]


def others_connected(using: str) -> int:
    """Count the sessions of others on this database, such as an engine's; 0 on SQLite."""
    connection = connections[using]
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


def empty(using: str) -> None:
    """Delete every row of duly's tables."""
    connection = connections[using]
    present = set(connection.introspection.table_names())
    tables = [
        model._meta.db_table
        for model in apps.get_app_config("duly").get_models()
        if model._meta.db_table in present
    ]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables))
