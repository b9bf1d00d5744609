"""Tables at ten thousand events a minute: one index less, and vacuum before it is missed.

Nothing but the index is done anywhere but on PostgreSQL. All of it works on tables that
`duly partition` has divided, too.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

# What the engine asks first, and most often, is the least `wake_at`: 12 us for each thousand
# events whose dead entries still lie before it. Not a share of the table, which grows while the
# living stay as few; and the indexes always, which PostgreSQL leaves out while less than a
# fiftieth of the pages has dead rows, as in a large table it always has.
HOT = {
    "autovacuum_vacuum_threshold": "5000",
    "autovacuum_vacuum_scale_factor": "0.002",
    "autovacuum_vacuum_cost_limit": "2000",
    "vacuum_index_cleanup": "on",
}
BEFORE = {
    "autovacuum_vacuum_threshold": "500",
    "autovacuum_vacuum_scale_factor": "0.01",
    "autovacuum_vacuum_cost_limit": None,
    "vacuum_index_cleanup": None,
}
# Only ever added to: frozen soon, in small steps, while the pages are still in memory.
LEDGER = {"autovacuum_vacuum_insert_scale_factor": "0.02", "autovacuum_freeze_min_age": "0"}
LEDGER_BEFORE = {
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_freeze_min_age": None,
}


def _tables(schema_editor: Any, table: str) -> Iterator[str]:
    """Give the table, or its partitions: only what has rows has storage parameters."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT relid::text FROM pg_partition_tree(%s) WHERE isleaf"
            " UNION SELECT %s WHERE NOT EXISTS (SELECT FROM pg_partition_tree(%s))",
            [table, table, table],
        )
        return iter([name for (name,) in cursor.fetchall()])


def _set(schema_editor: Any, table: str, parameters: Mapping[str, str | None]) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    given = ", ".join(f"{name} = {value}" for name, value in parameters.items() if value)
    reset = ", ".join(name for name, value in parameters.items() if not value)
    for name in _tables(schema_editor, table):
        schema_editor.execute(f"ALTER TABLE {name} SET ({given})")
        if reset:
            schema_editor.execute(f"ALTER TABLE {name} RESET ({reset})")


def apply(apps: Any, schema_editor: Any) -> None:
    for table in ("duly_occurrence", "duly_scheduledevent"):
        _set(schema_editor, table, HOT)
    _set(schema_editor, "duly_ledgerentry", LEDGER)


def revert(apps: Any, schema_editor: Any) -> None:
    for table in ("duly_occurrence", "duly_scheduledevent"):
        _set(schema_editor, table, BEFORE)
    _set(schema_editor, "duly_ledgerentry", LEDGER_BEFORE)


# Django's own AlterField would drop the foreign key as well, and check every row to make it again.
def drop_index(apps: Any, schema_editor: Any) -> None:
    model = apps.get_model("duly", "Occurrence")
    names = schema_editor._constraint_names(
        model, ["event_id"], index=True, unique=False, primary_key=False
    )
    for name in names:
        schema_editor.execute(schema_editor._delete_index_sql(model, name))


def create_index(apps: Any, schema_editor: Any) -> None:
    model = apps.get_model("duly", "Occurrence")
    field = model._meta.get_field("event")
    schema_editor.execute(schema_editor._create_index_sql(model, fields=[field]))


class Migration(migrations.Migration):
    dependencies = [("duly", "0006_ledgerseal")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(drop_index, create_index)],
            state_operations=[
                migrations.AlterField(
                    model_name="occurrence",
                    name="event",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="occurrences",
                        to="duly.scheduledevent",
                    ),
                ),
            ],
        ),
        migrations.RunPython(apply, revert),
    ]
