"""The tables: fields, constraints and indexes, no behaviour."""

from duly.models.api_key import ApiKey
from duly.models.engine import Engine
from duly.models.event import ScheduledEvent
from duly.models.event_template import EventTemplate
from duly.models.gate import Gate, GateEntry
from duly.models.kept_answer import KeptAnswer
from duly.models.ledger import LedgerEntry
from duly.models.notice import Notice
from duly.models.occurrence import DeadLetter, Occurrence
from duly.models.quota_use import QuotaUse
from duly.models.saga import Saga, SagaStep
from duly.models.seal import LedgerSeal
from duly.models.service import Service
from duly.models.stamp import Stamp
from duly.models.task_result import TaskResult

__all__ = [
    "ApiKey",
    "DeadLetter",
    "Engine",
    "EventTemplate",
    "Gate",
    "GateEntry",
    "KeptAnswer",
    "LedgerEntry",
    "LedgerSeal",
    "Notice",
    "Occurrence",
    "QuotaUse",
    "Saga",
    "SagaStep",
    "ScheduledEvent",
    "Service",
    "Stamp",
    "TaskResult",
]
