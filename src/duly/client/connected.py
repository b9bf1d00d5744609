"""What both clients are made of: where the service is, and how it is reached."""

from __future__ import annotations

from collections.abc import Callable

from duly.client.credentials import Credentials
from duly.client.patience import Patience
from duly.client.transport import DEFAULT_POOL, DEFAULT_TIMEOUT, Options, Transport


class Connected:
    """A client of one service.

    url: of the service, with the path that it is mounted at, if there is one.
    service, api_key: a key and whose it is. token: in their place, a JSON Web Token, or what
        gives one, which is called for each request.
    timeout: seconds without a byte after which an attempt has failed.
    retries: attempts after the first, or a `Patience`. After a connection that fails, 429, 502,
        503 and 504 it is tried again, in a little while at random, and not before what
        `Retry-After` says. What is scheduled carries a key, so that it is scheduled once.
    pool: connections kept open. ca_file: authorities that may sign its certificate, in PEM.

    Nothing is connected before the first call. Every method raises `ClientError`: the errors
    are in `duly.client.errors`. Raises ValueError for arguments that cannot work, and
    ImportError where urllib3 is missing.
    """

    def __init__(  # noqa: PLR0913 - by keyword
        self,
        url: str,
        *,
        service: str = "",
        api_key: str = "",
        token: Callable[[], str] | str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retries: int | Patience = 4,
        pool: int = DEFAULT_POOL,
        ca_file: str | None = None,
    ) -> None:
        patience = retries if isinstance(retries, Patience) else Patience(retries=retries)
        self._pool = pool
        self._transport = Transport(
            url,
            Credentials(service=service, api_key=api_key, token=token),
            Options(timeout=timeout, patience=patience, pool=pool, ca_file=ca_file),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.url!r})"
