"""Connections that go to the address that was checked, and to no other."""

from __future__ import annotations

import socket
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any

from duly.engine.targets.deadline import Deadline, DeadlineSocket
from duly.engine.targets.tls import context_of
from duly.errors import AddressRefused, ConfigurationError
from duly.policy.denied_networks import Address, carried_by, denial_of, is_within
from duly.policy.http_answer import shown
from duly.policy.http_target import HttpTarget

try:
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.exceptions import HTTPError, ReadTimeoutError
except ImportError as error:  # pragma: no cover - tried in a process of its own
    raise ConfigurationError("an HTTP target needs urllib3: pip install 'duly[http]'") from error

# What a connection, its encryption or the other side can break with.
BROKEN = (OSError, HTTPException, HTTPError)
TOO_LATE = (TimeoutError, ReadTimeoutError)
# One address that swallows packets must leave time for the next.
CONNECT_SECONDS = 5.0

_Found = tuple[socket.AddressFamily, tuple[object, ...]]


class GuardedConnection(HTTPConnection):
    """A connection to a target, kept between deliveries.

    Its name is looked up once for each connection, every address found is checked, and the
    socket goes to one of these very addresses: a name whose second answer differs is not
    asked a second time. `Host`, SNI and the certificate stay those of the name.
    """

    target: HttpTarget
    deadline: Deadline

    def start_by(self, deadline: Deadline) -> None:
        """Be connected, and end what comes by a deadline.

        Raises AddressRefused, and OSError where there is no connection.
        """
        self.deadline = deadline
        if self.sock is None:
            self.connect()
        if isinstance(self.sock, DeadlineSocket):
            self.sock.deadline = deadline

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        """Ask for the target's own path, whatever `url` says.

        What urllib3 was given it logs where headers are malformed, and a path may hold a token.
        """
        super().putrequest(method, self.target.endpoint.path, *args, **kwargs)

    def _new_conn(self) -> socket.socket:
        endpoint = self.target.endpoint
        found = _look_up(endpoint.host, endpoint.port)
        # All of them, before the first is tried: a name that leads astray is not trusted.
        for _, address in found:
            _check(self.target, ip_address(str(address[0]).partition("%")[0]))
        return _connected(found, self.deadline)


class GuardedTLSConnection(GuardedConnection, HTTPSConnection):
    """The same, encrypted, to a target that proved its name."""


def connection_to(target: HttpTarget) -> GuardedConnection:
    """Make a connection to a target, not connected yet. Raises ConfigurationError."""
    endpoint = target.endpoint
    if endpoint.scheme == "https":
        connection: GuardedConnection = GuardedTLSConnection(
            endpoint.host, endpoint.port, ssl_context=context_of(target)
        )
    else:
        connection = GuardedConnection(endpoint.host, endpoint.port)
    connection.target = target
    return connection


def told(error: Exception) -> str:
    """Give an error of the network on one line."""
    # urllib3 puts the error that it wraps behind its own text.
    said = error.args[0] if isinstance(error, HTTPError) and error.args else error
    return shown(f"{type(error).__name__}: {said}".encode("utf-8", "replace"), ())


def _look_up(host: str, port: int) -> list[_Found]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def _check(target: HttpTarget, address: Address) -> None:
    """Refuse an address that this target may not be at. Raises AddressRefused."""
    origin, host = target.endpoint.origin, target.endpoint.host
    inner = carried_by(address)
    leads = f"{host} is {address}" + (f" (that is {inner})" if inner else "")
    if denied := denial_of(address, target.allow):
        raise AddressRefused(
            f"nothing was sent to {origin}: {leads}, which is {denied.what} ({denied.network}, "
            f"{denied.source}); if that is meant, add its network to allow= of the target"
        )
    if target.endpoint.scheme == "http" and not target.allow_http:
        if is_within(address, target.allow) or (inner and is_within(inner, target.allow)):
            return
        raise AddressRefused(
            f"nothing was sent to {origin}: {leads}, which is in none of the networks that the "
            "target allows, and plain http is for these; use https, or allow_http=True"
        )


def _connected(found: list[_Found], deadline: Deadline) -> socket.socket:
    failure = OSError("the name has no address")
    for family, address in found:
        sock = DeadlineSocket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(min(CONNECT_SECONDS, deadline.left()))
            sock.connect(address)
            # A handshake counts as one operation, however many packets it takes.
            sock.settimeout(deadline.left())
        except TimeoutError:
            sock.close()
            failure = OSError(f"{address[0]} did not take the connection in time")
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure
