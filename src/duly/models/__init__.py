"""The tables: fields, constraints and indexes, no behaviour."""

from duly.models.event import ScheduledEvent
from duly.models.ledger import LedgerEntry
from duly.models.occurrence import Occurrence
from duly.models.seal import LedgerSeal
from duly.models.stamp import Stamp
from duly.models.task_result import TaskResult

__all__ = ["LedgerEntry", "LedgerSeal", "Occurrence", "ScheduledEvent", "Stamp", "TaskResult"]
