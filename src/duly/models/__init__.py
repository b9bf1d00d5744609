"""The tables: fields, constraints and indexes, no behaviour."""

from duly.models.event import ScheduledEvent
from duly.models.ledger import LedgerEntry
from duly.models.occurrence import Occurrence
from duly.models.stamp import Stamp

__all__ = ["LedgerEntry", "Occurrence", "ScheduledEvent", "Stamp"]
