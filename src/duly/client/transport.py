"""Requests over pooled connections, tried again as `Patience` says."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlencode, urlsplit

from duly import __version__
from duly.client.credentials import Credentials
from duly.client.errors import (
    ClientError,
    Problem,
    ServiceUnreachable,
    UnexpectedAnswer,
    error_of,
)
from duly.client.patience import RETRIED, Patience, asked_for

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPResponse

_Gives = TypeVar("_Gives")

DEFAULT_TIMEOUT = 10.0
DEFAULT_POOL = 10
JSON = "application/json"
_REFUSED = 400
_REDIRECTS = range(300, 400)
# Of an answer that is no problem body, as much as says what it may have been.
_SHOWN = 200
_PIECE = 65536
# A stream says something every 15 seconds, at least.
_SILENCE_SECONDS = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, which may be sent several times."""

    method: str
    path: str
    """From the service's URL on, quoted where it must be."""
    query: Mapping[str, str | list[str]] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = True
    """Whether to do it twice is to do it once; else it is tried again only where it is certain
    that nothing was done."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer that is no refusal."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Give its JSON. Raises UnexpectedAnswer."""
        return parsed(self.body)


class Opened:
    """An answer that is read as it comes."""

    def __init__(self, response: HTTPResponse, broken: type[Exception]) -> None:
        self._response, self._broken = response, broken
        self._is_stopped = False

    def pieces(self) -> Iterator[bytes]:
        """Give what comes as it comes, until the answer ends, breaks off or is stopped."""
        while not self._is_stopped:
            try:
                piece = self._response.read1(_PIECE)
            except (self._broken, OSError, ValueError):
                # Broken off, or shut by whoever stopped it: the reader knows how to come back.
                return
            if not piece:
                return
            yield piece

    def stop(self) -> None:
        """Wake the thread that waits for the next piece: there is none."""
        self._is_stopped = True
        try:
            self._response.shutdown()
        except (OSError, ValueError):
            # It has ended by itself.
            return

    def close(self) -> None:
        """Close the connection: nobody reads the rest of the answer."""
        self._response.close()


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
        # Also while connecting through TLS: the request goes out after that.
        self._unsent = (
            urllib3.exceptions.NewConnectionError,
            urllib3.exceptions.ConnectTimeoutError,
        )
        self._timeout = urllib3.Timeout
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

    def open(self, request: Request) -> Opened:
        """Give the answer to a request as it comes; the caller closes it. Raises as `send`."""
        return self._tried(request, self._opened)

    def _tried(self, request: Request, attempt: Callable[[Request], _Gives]) -> _Gives:
        made = 1
        while True:
            try:
                return attempt(request)
            except self._broken as broken:
                error: ClientError = self._unreachable(request, broken)
                error.__cause__ = broken
                again = request.is_repeatable or isinstance(broken, self._unsent)
            except ClientError as refused:
                error = refused
                again = _is_worth_another(request, refused)
            error.attempts = made
            after = getattr(error, "after", None)
            asked = None if after is None else after / timedelta(seconds=1)
            wait = self._options.patience.wait(made, asked, self._dice())
            if wait is None or not again:
                raise error
            self._sleep(wait)
            made += 1

    def _whole(self, request: Request) -> Answer:
        response = self._asked(request)
        return Answer(response.status, response.headers, response.data)

    def _opened(self, request: Request) -> Opened:
        response = self._asked(
            request,
            preload_content=False,
            timeout=self._timeout(
                connect=self._options.timeout, read=max(self._options.timeout, _SILENCE_SECONDS)
            ),
        )
        return Opened(cast("HTTPResponse", response), self._broken)

    def _asked(self, request: Request, **how: Any) -> BaseHTTPResponse:
        """Make one attempt. Raises ClientError for a refusal, and what breaks the connection."""
        path = self._prefix + request.path
        given = {name: value for name, value in request.query.items() if value != ""}
        query = urlencode(given, doseq=True)
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
            **how,
        )
        if response.status >= _REFUSED:
            raise _refusal(response)
        if response.status in _REDIRECTS:
            target = response.headers.get("Location", "")
            raise UnexpectedAnswer(
                f"{self.url} redirects to {target!r:.200}; redirects are not followed, since a "
                "key would go with them: give the client the final URL"
            )
        return response

    def _unreachable(self, request: Request, error: Exception) -> ServiceUnreachable:
        what = str(error) or type(error).__name__
        return ServiceUnreachable(f"{request.method} {self.url}{request.path}: {what:.300}")


def _is_worth_another(request: Request, error: ClientError) -> bool:
    """Say whether another attempt may succeed, and does no harm."""
    status = error.problem.status if error.problem else 0
    # Whether something was done before a 5xx, nobody knows; before a 429, nothing was.
    return status == HTTPStatus.TOO_MANY_REQUESTS or (status in RETRIED and request.is_repeatable)


def parsed(text: bytes) -> Any:
    """Give the JSON of an answer. Raises UnexpectedAnswer."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        shown = text[:_SHOWN].decode("utf-8", "replace")
        raise UnexpectedAnswer(f"the answer is not JSON: {shown!r}; is the URL right?") from None


def _refusal(response: BaseHTTPResponse) -> ClientError:
    seconds = asked_for(response.headers.get("Retry-After"), datetime.now(UTC))
    after = timedelta(seconds=seconds) if seconds is not None else None
    try:
        body = json.loads(response.data)
    except (ValueError, RecursionError):
        body = response.data.decode("utf-8", "replace")
    return error_of(problem_of(response.status, body), after)


def problem_of(status: int, body: object) -> Problem:
    """Read a problem body, or what stands in its place."""
    if isinstance(body, Mapping):
        return Problem(
            status,
            str(body.get("title") or _title(status)),
            str(body.get("detail") or ""),
            str(body.get("field") or ""),
            body.get("value"),
            str(body.get("rule") or ""),
            body,
        )
    # A proxy's page, most often.
    return Problem(status, _title(status), " ".join(str(body).split())[:_SHOWN])


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown status"


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
