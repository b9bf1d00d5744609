"""Requests over pooled connections, tried again as `Patience` says."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit

from duly import __version__
from duly.client.credentials import Credentials
from duly.client.errors import (
    ClientError,
    Problem,
    QuotaExceeded,
    ServiceUnreachable,
    Unavailable,
    UnexpectedAnswer,
    error_of,
)
from duly.client.patience import RETRIED, Patience, asked_for

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool

DEFAULT_TIMEOUT = 10.0
DEFAULT_POOL = 10
JSON = "application/json"
_REFUSED = 400
_REDIRECTS = range(300, 400)
# Of an answer that is no problem body, as much as says what it may have been.
_SHOWN = 200
_CHUNK = 65_536
_Gives = TypeVar("_Gives")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, which may be sent several times."""

    method: str
    path: str
    """From the service's URL on, quoted where it must be."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer that is no refusal."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Give its JSON. Raises UnexpectedAnswer."""
        return parsed(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a client reaches its service."""

    timeout: float = DEFAULT_TIMEOUT
    """Seconds without a byte, when connecting or reading, after which an attempt has failed."""
    patience: Patience = field(default_factory=Patience)
    pool: int = DEFAULT_POOL
    """Connections that are kept open; more are opened where more are needed at once."""
    ca_file: str | None = None
    """Authorities that may sign the service's certificate, in PEM; None: the system's."""


class Transport:
    """Sends requests to one service; may be used by many threads at once.

    url: of the service, such as "https://events.example" or "http://duly:8005/prefix".

    Nothing is connected before the first request. Raises ValueError for a URL that cannot
    work, and ImportError where urllib3 is missing.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        options: Options,
        *,
        sleep: Callable[[float], None] = time.sleep,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.url = _checked(url)
        self._prefix = urlsplit(self.url).path
        self._credentials = credentials
        self._options = options
        self._sleep = sleep
        self._dice = dice
        try:
            import urllib3
        except ImportError:
            raise ImportError("duly.client needs urllib3: pip install 'duly[client]'") from None
        security = {"ca_certs": options.ca_file} if options.ca_file else {}
        self._broken = urllib3.exceptions.HTTPError
        self._pool: HTTPConnectionPool = urllib3.connection_from_url(
            self.url,
            maxsize=options.pool,
            timeout=urllib3.Timeout(total=options.timeout),
            **security,
        )

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._pool.close()

    def send(self, request: Request) -> Answer:
        """Give the answer to a request.

        Raises ClientError: what the service refused, or what came of the last attempt.
        """
        return self._tried(request, self._whole)

    def lines(self, request: Request) -> Iterator[bytes]:
        """Give the lines of an answer as they come; close the iterator to leave the rest.

        It is tried again until an answer begins; what breaks off after that is an error.
        Raises what `send` raises.
        """
        response = self._tried(request, self._begun)
        try:
            for line in _split(response.stream(_CHUNK)):
                if line.strip():
                    yield line
        except self._broken as error:
            raise self._unreachable(request, error) from error
        finally:
            # Bytes that nobody read would be taken for the next answer.
            response.close()

    def _tried(self, request: Request, attempt: Callable[[Request], _Gives]) -> _Gives:
        made = 1
        while True:
            try:
                return attempt(request)
            except self._broken as broken:
                error: ClientError = self._unreachable(request, broken)
                error.__cause__ = broken
                asked = None
            except (QuotaExceeded, Unavailable) as refused:
                if refused.problem is None or refused.problem.status not in RETRIED:
                    raise
                error, asked = refused, refused.after
            seconds = asked.total_seconds() if asked is not None else None
            wait = self._options.patience.wait(made, seconds, self._dice())
            if wait is None:
                raise error
            self._sleep(wait)
            made += 1

    def _whole(self, request: Request) -> Answer:
        response = self._begun(request)
        return Answer(response.status, response.headers, response.read())

    def _begun(self, request: Request) -> BaseHTTPResponse:
        """Make one attempt; gives an answer of which nothing is read yet."""
        path = self._prefix + request.path
        query = urlencode({name: value for name, value in request.query.items() if value != ""})
        headers = {
            "Accept": JSON,
            "User-Agent": f"duly-client/{__version__}",
            **self._credentials.headers(),
            **request.headers,
        }
        response = self._pool.urlopen(
            request.method,
            f"{path}?{query}" if query else path,
            body=request.body,
            headers=headers,
            # Neither may be followed with a key in hand; attempts are counted here alone.
            retries=False,
            redirect=False,
            preload_content=False,
        )
        if response.status >= _REFUSED:
            raise _refusal(response)
        if response.status in _REDIRECTS:
            target = response.headers.get("Location", "")
            response.close()
            raise UnexpectedAnswer(
                f"{self.url} redirects to {target!r:.200}; redirects are not followed, since a "
                "key would go with them: give the client the final URL"
            )
        return response

    def _unreachable(self, request: Request, error: Exception) -> ServiceUnreachable:
        what = str(error) or type(error).__name__
        return ServiceUnreachable(f"{request.method} {self.url}{request.path}: {what:.300}")


def parsed(text: bytes) -> Any:
    """Give the JSON of an answer. Raises UnexpectedAnswer."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        shown = text[:_SHOWN].decode("utf-8", "replace")
        raise UnexpectedAnswer(f"the answer is not JSON: {shown!r}; is the URL right?") from None


def _refusal(response: BaseHTTPResponse) -> ClientError:
    text = response.read()
    seconds = asked_for(response.headers.get("Retry-After"), datetime.now(UTC))
    after = timedelta(seconds=seconds) if seconds is not None else None
    return error_of(_problem(response.status, text), after)


def _problem(status: int, text: bytes) -> Problem:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        # A proxy's page, most often.
        shown = " ".join(text.decode("utf-8", "replace").split())
        return Problem(status, _title(status), shown[:_SHOWN])
    return Problem(
        status,
        str(body.get("title") or _title(status)),
        str(body.get("detail") or ""),
        str(body.get("field") or ""),
        body.get("value"),
        str(body.get("rule") or ""),
        body,
    )


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown status"


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Part chunks into lines, whose ends may lie anywhere in them."""
    left = b""
    for chunk in chunks:
        *whole, left = (left + chunk).split(b"\n")
        yield from whole
    yield left


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"url must be http(s)://HOST[:PORT][/PREFIX], got {_harmless(url)!r:.200}")
    if parts.username or parts.password:
        raise ValueError("url must not hold a name or a password: give api_key= or token=")
    if parts.query or parts.fragment:
        raise ValueError(f"url must end before '?' and '#', got {url!r:.200}")
    return url.rstrip("/")


def _harmless(url: str) -> str:
    """Leave out what may be a password."""
    return url.rpartition("@")[2]
