"""Where a URL leads: read once, strictly, so that no two parsers can disagree about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address

from duly.errors import ConfigurationError

_PORTS = {"http": 80, "https": 443}
# What RFC 3986 lets a URI hold; a backslash, a space or a newline is how parsers are fooled.
_URI = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_PARTS = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<rest>.*)", re.I
)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
# An underscore is no host name's, and some private networks use it.
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LONGEST_NAME = 253
_LONGEST_URL = 2_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The parts of a URL, as a request uses them."""

    scheme: str
    """"http" or "https"."""
    host: str
    """A name, or an address; IPv6 without brackets."""
    port: int
    path: str
    """What is asked for: the path, and the query if there is one."""

    @property
    def origin(self) -> str:
        """Scheme, host and port: what may be shown, where path and query may hold a token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def endpoint_of(url: object) -> Endpoint:
    """Read an absolute http or https URL.

    Raises ConfigurationError; it does not repeat the URL, which may hold a token.
    """
    if not isinstance(url, str) or not url:
        raise ConfigurationError(f"url must be text, got {type(url).__name__}")
    if len(url) > _LONGEST_URL:
        raise ConfigurationError(f"url must be at most {_LONGEST_URL} characters, got {len(url)}")
    if not _URI.fullmatch(url):
        bad = next(character for character in url if not _URI.fullmatch(character))
        raise ConfigurationError(
            f"url must not hold {bad!r}; write a name as xn--… (IDNA) and the rest as %XX"
        )
    parts = _PARTS.fullmatch(url)
    if parts is None or parts["scheme"].lower() not in _PORTS:
        raise ConfigurationError("url must begin with https:// (or http://)")
    if "@" in parts["authority"]:
        raise ConfigurationError(
            "url must not hold a user name or password; send them as a header that comes from "
            'a secret: {"Authorization": {"env": "…"}}'
        )
    if "#" in parts["rest"]:
        raise ConfigurationError("url must not have a fragment (#…): it would not be sent")
    scheme = parts["scheme"].lower()
    host, port = _host_and_port(parts["authority"], _PORTS[scheme])
    return Endpoint(scheme, host, port, (parts["path"] or "/") + parts["rest"])


def _host_and_port(authority: str, default_port: int) -> tuple[str, int]:
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise ConfigurationError(
            f"url must name a host, and may name a port, got {authority!r:.120}"
        )
    port = default_port if found["port"] is None else int(found["port"])
    if not 1 <= port <= 65_535:
        raise ConfigurationError(f"url must have a port from 1 to 65535, got {port}")
    host = found["host"].lower()
    if host.startswith("["):
        return _ipv6(host[1:-1]), port
    labels = host.removesuffix(".").split(".")
    if len(host) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise ConfigurationError(f"url has a host that is no name and no address: {host!r:.120}")
    return host, port


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except AddressValueError as error:
        raise ConfigurationError(f"url has a host that is no IPv6 address: {error}") from None
