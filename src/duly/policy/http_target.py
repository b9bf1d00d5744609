"""An HTTP endpoint that occurrences are delivered to, and what may be sent there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from types import MappingProxyType
from typing import Any

from duly.errors import ConfigurationError
from duly.policy.denied_networks import Network, is_denied_throughout
from duly.policy.endpoint import Endpoint, endpoint_of
from duly.policy.retry import span
from duly.policy.secret_values import FromEnvironment, SecretValue, reveal, secret_value
from duly.webhooks import key_of

# Standard Webhooks recommends 15 to 30 s: what takes longer should be answered 202 first.
DEFAULT_TIMEOUT = timedelta(seconds=20)
DEFAULT_RESPONSE_BYTES = 65_536
# The new secret and the one that it replaces.
MOST_SECRETS = 2
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110 section 5.6.2
_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
# Ours to write, or those that say where a message ends.
_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "keep-alive",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
_OWN_PREFIXES = ("webhook-", "duly-", "proxy-")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HttpTarget:
    """Where and how a service is told of its occurrences: a POST that is signed.

    Raises ConfigurationError naming the field that cannot work; it never repeats a secret.
    """

    url: str
    """Absolute, https; see `allow` and `allow_http` for plain http."""
    secrets: tuple[SecretValue, ...]
    """One webhook secret, or two during a rotation: each signs, and the first signs first."""
    headers: Mapping[str, SecretValue] = field(default_factory=dict, hash=False)
    """Sent beside duly's own, such as `Authorization`."""
    timeout: timedelta = DEFAULT_TIMEOUT
    """For all of it, from the look-up of the name to the end of the answer; above zero."""
    allow: tuple[Network, ...] = ()
    """Networks that may be sent to though they are denied by default, such as "10.0.0.0/8".
    Plain http is for them."""
    client_certificate: str = ""
    """File of the certificate that the target is shown (PEM), for mutual TLS; empty: none."""
    client_key: str = ""
    """File of its key, without a passphrase; empty: it is in the file of the certificate."""
    ca_file: str = ""
    """File of the authorities that may vouch for the target (PEM); empty: the system's."""
    max_response_bytes: int = DEFAULT_RESPONSE_BYTES
    """The most that is read of an answer; 1 or more."""
    allow_http: bool = False
    """Send over plain http to any address that may be sent to."""
    endpoint: Endpoint = field(init=False, compare=False)
    """The parts of `url`."""

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            object.__setattr__(self, name, check(getattr(self, name)))
        object.__setattr__(self, "endpoint", endpoint_of(self.url))
        if self.endpoint.scheme == "http" and not (self.allow or self.allow_http):
            raise ConfigurationError(
                f"{self.endpoint.origin} is plain http, which anybody on the way can read: use "
                "https, or allow= the private network it is in, or allow_http=True"
            )
        if self.client_key and not self.client_certificate:
            raise ConfigurationError("client_key needs client_certificate")

    def __repr__(self) -> str:
        return f"HttpTarget({self.endpoint.origin!r})"

    def __str__(self) -> str:
        return self.endpoint.origin

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> HttpTarget:
        """Build a target from data, as settings or a database hold it.

        mapping: the fields above; `secret` is another name of `secrets`, and may hold one; a
            secret or the value of a header may be {"env": "NAME"}; a network is text, a time
            is seconds.

        Raises ConfigurationError for an unknown key ("did you mean …?") or a bad value.
        """
        if not isinstance(mapping, Mapping):
            raise ConfigurationError(f"an HTTP target must be a dict, got {mapping!r:.60}")
        for key in mapping:
            _check_key(key)
        values = {key: value for key, value in mapping.items() if key != "target"}
        if mapping.get("target", "http") != "http":
            raise ConfigurationError(f"target must be 'http' here, got {mapping['target']!r:.60}")
        if "secret" in values:
            if "secrets" in values:
                raise ConfigurationError("an HTTP target takes secret or secrets, not both")
            values["secrets"] = values.pop("secret")
        if missing := [name for name in ("url", "secrets") if name not in values]:
            hint = " (duly.webhooks.new_secret() makes one)" if "secrets" in missing else ""
            needed = " and ".join(missing).replace("secrets", "secret")
            raise ConfigurationError(f"an HTTP target needs {needed}{hint}")
        return cls(**values)

    def signing_secrets(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Give the secrets themselves. Raises ConfigurationError for one that is not set."""
        where = f"the secret of {self.endpoint.origin}"
        found = tuple(reveal(where, secret, environment) for secret in self.secrets)
        for secret in found:
            key_of(secret)
        return found

    def extra_headers(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Give the headers with their values. Raises ConfigurationError for one not set."""
        return {
            name: _header_text(
                name, reveal(f"header {name!r} of {self.endpoint.origin}", value, environment)
            )
            for name, value in self.headers.items()
        }


KEYS = frozenset({f.name for f in fields(HttpTarget) if f.init} | {"target", "secret"})
"""What `HttpTarget.from_mapping` reads."""


def _check_key(key: object) -> None:
    if key not in KEYS:
        near = get_close_matches(str(key).lower(), KEYS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(KEYS))}"
        raise ConfigurationError(f"an HTTP target has no {key!r:.60}; {hint}")


def _url(value: object) -> object:
    endpoint_of(value)
    return value


def _secrets(value: object) -> tuple[SecretValue, ...]:
    given = value if isinstance(value, (tuple, list)) else (value,)
    if not 1 <= len(given) <= MOST_SECRETS:
        raise ConfigurationError(
            f"an HTTP target takes one secret, or two during a rotation, got {len(given)}"
        )
    found = tuple(secret_value("a secret", secret) for secret in given)
    for secret in found:
        if isinstance(secret, str):
            key_of(secret)
    return found


def _headers(value: object) -> Mapping[str, SecretValue]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"headers must be a dict, got {type(value).__name__}")
    found: dict[str, SecretValue] = {}
    for name, given in value.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError(f"headers has a name that HTTP does not allow: {name!r:.60}")
        if name.lower() in _OWN_HEADERS or name.lower().startswith(_OWN_PREFIXES):
            raise ConfigurationError(f"header {name!r} is written by duly, and cannot be given")
        if name.lower() in {other.lower() for other in found}:
            raise ConfigurationError(f"headers has {name!r} twice")
        found[name] = secret_value(f"header {name!r}", given)
        if not isinstance(found[name], FromEnvironment):
            _header_text(name, str(found[name]))
    return MappingProxyType(found)


def _header_text(name: str, value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise ConfigurationError(
            f"header {name!r} must be printable ASCII without a line break, or a space at "
            "either end; what it holds is not shown"
        )
    return value


def _timeout(value: Any) -> timedelta:
    found = span("timeout", value)
    if not found:
        raise ConfigurationError(f"timeout must be above zero, got {value!r}")
    return found


def _allow(value: object) -> tuple[Network, ...]:
    given = value if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    found = []
    for text in given:
        if not isinstance(text, (str, IPv4Network, IPv6Network)):
            raise ConfigurationError(f"allow must hold networks as text, got {text!r:.60}")
        try:
            network = ip_network(text)
        except ValueError as error:
            raise ConfigurationError(
                f"allow must hold networks such as '10.0.0.0/8': {error}"
            ) from None
        if not is_denied_throughout(network):
            raise ConfigurationError(
                f"allow has {str(network)!r}, which is not within one of the networks that are "
                "denied by default: name the private network that is meant"
            )
        found.append(network)
    return tuple(found)


def _file(name: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        if not isinstance(value, str) or "\0" in value:
            raise ConfigurationError(f"{name} must be the path of a file, got {value!r:.60}")
        return value

    return check


def _max_response_bytes(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(
            f"max_response_bytes must be a whole number of 1 or more, got {value!r:.60}"
        )
    return value


def _allow_http(value: object) -> object:
    if not isinstance(value, bool):
        raise ConfigurationError(f"allow_http must be True or False, got {value!r:.60}")
    return value


_CHECKS: dict[str, Callable[[Any], object]] = {
    "url": _url,
    "secrets": _secrets,
    "headers": _headers,
    "timeout": _timeout,
    "allow": _allow,
    "client_certificate": _file("client_certificate"),
    "client_key": _file("client_key"),
    "ca_file": _file("ca_file"),
    "max_response_bytes": _max_response_bytes,
    "allow_http": _allow_http,
}
