"""Which bearer tokens are taken: by which algorithm, key, issuer and audience."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from duly.errors import ConfigurationError
from duly.policy.retry import span
from duly.policy.secret_values import SecretValue, secret_value

SYMMETRIC = {"HS256": 32, "HS384": 48, "HS512": 64}
"""For each the bytes that its secret has at least (RFC 7518 3.2)."""
ASYMMETRIC = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
)
_KNOWN = (*SYMMETRIC, *sorted(ASYMMETRIC))
_SPANS = ("leeway", "longest_lifetime", "jwks_max_age", "jwks_refetch", "jwks_timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOptions:
    """The setting DULY["JWT"].

    Raises ConfigurationError naming the field and the rule; it never repeats a secret.
    """

    algorithms: tuple[str, ...]
    """Those that are taken, of HS, RS, PS and ES; what a token says it is signed with never
    adds to them. HS and the others never stand together: a public key is no secret."""
    issuer: str
    """What `iss` must be."""
    audience: str
    """What `aud` must be, or hold: a token that was made for another is not taken."""
    secret: SecretValue | None = field(default=None, repr=False)
    """Of HS: as many bytes as the digest has; or {"env": "NAME"}."""
    public_key: SecretValue | None = None
    """Of RS, PS and ES: the key in PEM; or {"env": "NAME"}."""
    jwks_url: str = ""
    """Where the issuer has its public keys, in place of `public_key`: https; plain http from
    a loopback address alone, such as 127.0.0.1."""
    service_claim: str = "service"
    """The claim that names the service whose events the bearer sees and touches."""
    scope_claim: str = "scope"
    """The claim that holds the scopes: a list, or text parted by spaces; others than duly's
    are passed over."""
    leeway: timedelta = timedelta(seconds=10)
    """How far the issuer's clock may be off; 0 to 5 minutes."""
    longest_lifetime: timedelta = timedelta(hours=1)
    """A token that is valid for longer is not taken: it cannot be taken back."""
    jwks_max_age: timedelta = timedelta(minutes=5)
    """How long fetched keys are used before they are fetched again."""
    jwks_refetch: timedelta = timedelta(seconds=10)
    """The shortest time between two fetches, whatever key a token names."""
    jwks_timeout: timedelta = timedelta(seconds=5)
    """How long one fetch may take."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "algorithms", _algorithms(self.algorithms))
        for name in ("issuer", "audience", "service_claim", "scope_claim"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise ConfigurationError(f"{name} must be text, got {value!r:.60}")
        for name in _SPANS:
            object.__setattr__(self, name, span(name, getattr(self, name)))
        if self.leeway > timedelta(minutes=5):
            raise ConfigurationError(f"leeway must be 5 minutes at most, got {self.leeway}")
        for name in _SPANS[1:]:
            if not getattr(self, name):
                raise ConfigurationError(f"{name} must be above zero")
        for name in ("secret", "public_key"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, secret_value(name, value))
        self._check_keys()

    @property
    def is_symmetric(self) -> bool:
        """Whether who checks tokens could make them, too."""
        return self.algorithms[0] in SYMMETRIC

    @property
    def least_secret_bytes(self) -> int:
        """How long the secret is at least."""
        return max(SYMMETRIC[name] for name in self.algorithms)

    def _check_keys(self) -> None:
        if self.is_symmetric:
            if self.secret is None or self.public_key is not None or self.jwks_url:
                raise ConfigurationError("HS algorithms take a secret, and nothing else")
            if isinstance(self.secret, str):
                check_secret(self.secret, self.least_secret_bytes)
            return
        if self.secret is not None or (self.public_key is None) == (not self.jwks_url):
            raise ConfigurationError(
                "RS, PS and ES algorithms take public_key or jwks_url: one of both, and no secret"
            )
        if self.jwks_url:
            _check_url(self.jwks_url)

    @classmethod
    def from_mapping(cls, given: object) -> TokenOptions:
        """Read the setting.

        given: the fields above; a time is seconds or a timedelta.

        Raises ConfigurationError for an unknown key ("did you mean …?") or a bad value.
        """
        if isinstance(given, TokenOptions):
            return given
        if not isinstance(given, Mapping):
            raise ConfigurationError(f"must be a dict, got {type(given).__name__}")
        names = tuple(one.name for one in fields(cls))
        for key in given:
            if key not in names:
                near = get_close_matches(str(key), names, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names)}"
                raise ConfigurationError(f"it has no {key!r:.60}; {hint}")
        for name in ("algorithms", "issuer", "audience"):
            if name not in given:
                raise ConfigurationError(f"{name} is missing")
        values: dict[str, Any] = dict(given)
        return cls(**values)


def check_secret(secret: str, least: int) -> None:
    """Raise ConfigurationError for a secret that can be guessed."""
    size = len(secret.encode())
    if size < least:
        raise ConfigurationError(
            f"secret must have {least} bytes or more for its algorithms, got {size}; "
            "python -c 'import secrets; print(secrets.token_hex(32))' makes one"
        )


def _algorithms(given: object) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, (list, tuple)) or not names:
        raise ConfigurationError(f"algorithms must be a list, got {given!r:.60}")
    for name in names:
        if name not in _KNOWN:
            raise ConfigurationError(f"algorithms must be of {', '.join(_KNOWN)}; got {name!r:.60}")
    if len({name in SYMMETRIC for name in names}) > 1:
        raise ConfigurationError(
            f"algorithms must not mix HS with the others: who knows the public key could sign "
            f"with it; got {', '.join(names)}"
        )
    return tuple(names)


def _check_url(url: object) -> None:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        host = parts.hostname if parts else None
    except ValueError:
        parts, host = None, None
    if parts is None or not host or parts.username or parts.password:
        raise ConfigurationError(f"jwks_url must be an absolute https URL, got {url!r:.120}")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ConfigurationError(
            f"jwks_url must be https, or whoever is on the way can put in keys; got {url!r:.120}"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False  # A name leads wherever a resolver says.
