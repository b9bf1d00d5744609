"""The tables: fields, constraints and indexes, no behaviour."""

from duly.models.event import ScheduledEvent
from duly.models.ledger import LedgerEntry
from duly.models.occurrence import Occurrence
from duly.models.saga import Saga, SagaStep
from duly.models.seal import LedgerSeal
from duly.models.stamp import Stamp

__all__ = ["LedgerEntry", "LedgerSeal", "Occurrence", "Saga", "SagaStep", "ScheduledEvent", "Stamp"]
