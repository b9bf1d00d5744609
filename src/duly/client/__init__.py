"""The client of the service, for programs that need neither Django nor a database.

`Client` for threads and `AsyncClient` for coroutines speak with `duly serve`; they need urllib3
(`pip install 'duly[client]'`), though not before one of them is made. Errors are in
`duly.client.errors`, what is answered in `duly.client.results`.
"""

from __future__ import annotations

from duly.client.asynchronous import AsyncClient
from duly.client.errors import (
    Changed,
    ClientError,
    Conflict,
    Forbidden,
    NotFound,
    Problem,
    QuotaExceeded,
    Refused,
    ServiceUnreachable,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from duly.client.new_event import NewEvent
from duly.client.patience import Patience
from duly.client.results import Rejected, Stored
from duly.client.sync import Client

__all__ = [
    "AsyncClient",
    "Changed",
    "Client",
    "ClientError",
    "Conflict",
    "Forbidden",
    "NewEvent",
    "NotFound",
    "Patience",
    "Problem",
    "QuotaExceeded",
    "Refused",
    "Rejected",
    "ServiceUnreachable",
    "Stored",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
]
