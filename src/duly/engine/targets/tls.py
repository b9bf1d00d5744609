"""How a target proves who it is, and duly to it."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

from duly.engine.targets.deadline import DeadlineTLSSocket
from duly.errors import ConfigurationError
from duly.policy.http_target import HttpTarget

# A context reads all the authorities of the system, which takes milliseconds.
_MOST_CONTEXTS = 64
_Stamped = tuple[str, int]


def context_of(target: HttpTarget) -> ssl.SSLContext:
    """Give the context that verifies a target; files that were renewed are read again.

    Raises ConfigurationError naming the file that cannot be read.
    """
    return _context(
        _stamped("ca_file", target.ca_file),
        _stamped("client_certificate", target.client_certificate),
        _stamped("client_key", target.client_key),
    )


@lru_cache(maxsize=_MOST_CONTEXTS)
def _context(ca_file: _Stamped, certificate: _Stamped, key: _Stamped) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file[0] or None)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"ca_file {ca_file[0]!r} cannot be read: {error}") from None
    context.sslsocket_class = DeadlineTLSSocket
    if certificate[0]:
        try:
            # Without a password OpenSSL would ask the terminal for one, and wait.
            context.load_cert_chain(certificate[0], key[0] or None, password=lambda: "")
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"client_certificate {certificate[0]!r} cannot be used with its key: {error}"
            ) from None
    return context


def _stamped(name: str, path: str) -> _Stamped:
    if not path:
        return "", 0
    try:
        return path, os.stat(path).st_mtime_ns
    except OSError as error:
        raise ConfigurationError(f"{name} {path!r} cannot be read: {error.strerror}") from None
