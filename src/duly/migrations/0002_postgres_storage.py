"""Tell PostgreSQL how these tables are used: rows change a few times, at one end."""

from typing import Any

from django.db import migrations

# A queue's dead rows lie just where the next claim reads: vacuum after a few hundred,
# not after a fifth of the table. Room in the pages keeps updates of unindexed columns
# on the page that they are on.
EVENTS = "autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, fillfactor = 85"
OCCURRENCES = EVENTS + ", autovacuum_analyze_scale_factor = 0.02"
LEDGER = "autovacuum_vacuum_insert_scale_factor = 0.05"
NAMES = "autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, fillfactor"


def _alter(schema_editor: Any, clause: str, table: str, parameters: str) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE {table} {clause} ({parameters})")


def apply(apps: Any, schema_editor: Any) -> None:
    _alter(schema_editor, "SET", "duly_scheduledevent", EVENTS)
    _alter(schema_editor, "SET", "duly_occurrence", OCCURRENCES)
    _alter(schema_editor, "SET", "duly_ledgerentry", LEDGER)


def revert(apps: Any, schema_editor: Any) -> None:
    _alter(schema_editor, "RESET", "duly_scheduledevent", NAMES)
    _alter(schema_editor, "RESET", "duly_occurrence", NAMES + ", autovacuum_analyze_scale_factor")
    _alter(schema_editor, "RESET", "duly_ledgerentry", "autovacuum_vacuum_insert_scale_factor")


class Migration(migrations.Migration):
    dependencies = [("duly", "0001_initial")]

    operations = [migrations.RunPython(apply, revert)]
