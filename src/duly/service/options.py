"""How the service runs: what the environment says beyond the settings of `duly.conf`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from duly.errors import ConfigurationError
from duly.service.environment import WORDS, names_in

API_DOCS, ADMIN, HEALTH = "/api/docs", "/admin/", "/health"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
# The objective of `duly slo`: begun within a minute.
READY_LATENESS_SECONDS = 60.0
# Five megabytes of the smallest events are some 20,000 of them.
MAX_BODY_BYTES = 32 * 2**20
# Each takes a file descriptor; a process commonly may have 1,024.
CONNECTIONS = 500
SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """What `duly serve`, and any other server of the standalone project, needs to know."""

    api: bool = True
    """Serve REST under /api/."""
    admin: bool = True
    """Serve Django's admin under /admin/."""
    allowed_hosts: tuple[str, ...] = LOCAL_HOSTS
    """Host names that requests may come by."""
    public_url: str = ""
    """Such as https://duly.example.com: its host is allowed; with https, cookies are secure."""
    trusted_proxy: str = ""
    """Address of the proxy whose X-Forwarded-For, -Proto and -Host are believed; "*": any."""
    ready_lateness_seconds: float = READY_LATENESS_SECONDS
    """How late a firing may be before /ready says no; 0: however late."""
    metrics_token: str = ""
    """Bearer token that /metrics asks for; empty: none."""
    max_body_bytes: int = MAX_BODY_BYTES
    """Largest request body; a larger one is refused with 413 before all of it has come."""
    connections: int = CONNECTIONS
    """Connections at once."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.public_url)
        if self.public_url and (parts.scheme not in ("http", "https") or not parts.hostname):
            _refuse("PUBLIC_URL", "must be like https://duly.example.com", self.public_url)
        if self.ready_lateness_seconds < 0:
            _refuse("READY_LATENESS_SECONDS", "must be 0 or more", self.ready_lateness_seconds)
        if self.max_body_bytes < 1:
            _refuse("MAX_BODY_BYTES", "must be 1 or more", self.max_body_bytes)
        if self.connections < 10:
            _refuse("CONNECTIONS", "must be 10 or more", self.connections)
        if self.metrics_token and len(self.metrics_token) < SHORTEST_TOKEN:
            rule = f"must have {SHORTEST_TOKEN} characters or more"
            _refuse("METRICS_TOKEN", rule, len(self.metrics_token))

    @property
    def hosts(self) -> list[str]:
        """All host names that requests may come by."""
        public = urlsplit(self.public_url).hostname
        return [*self.allowed_hosts, *([public] if public else [])]

    @property
    def origin(self) -> str:
        """The public URL without its path; empty where none is given."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}" if self.public_url else ""

    @property
    def home(self) -> str:
        """Where `/` leads."""
        if self.api:
            return API_DOCS
        return ADMIN if self.admin else HEALTH

    @property
    def is_https(self) -> bool:
        """Whether people reach it by https."""
        return self.public_url.startswith("https:")


def options_from(environment: Mapping[str, str]) -> ServiceOptions:
    """Read the options from the environment, where each is `DULY_<NAME>`.

    Raises ConfigurationError naming the variable, its value and the rule.
    """
    given = environment.get
    hosts = names_in(given("DULY_ALLOWED_HOSTS", ""))
    return ServiceOptions(
        api=_switch(environment, "API"),
        admin=_switch(environment, "ADMIN"),
        allowed_hosts=tuple(hosts) or LOCAL_HOSTS,
        public_url=given("DULY_PUBLIC_URL", ""),
        trusted_proxy=given("DULY_TRUSTED_PROXY", ""),
        ready_lateness_seconds=_number(
            environment, "READY_LATENESS_SECONDS", READY_LATENESS_SECONDS
        ),
        metrics_token=given("DULY_METRICS_TOKEN", ""),
        max_body_bytes=int(_number(environment, "MAX_BODY_BYTES", MAX_BODY_BYTES)),
        connections=int(_number(environment, "CONNECTIONS", CONNECTIONS)),
    )


def _switch(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(f"DULY_{name}", "on")
    try:
        return WORDS[text.strip().lower()]
    except KeyError:
        _refuse(name, "must be true or false", text)
        raise


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(f"DULY_{name}", "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        _refuse(name, "must be a number", text)
    return value


def _refuse(name: str, rule: str, value: object) -> None:
    raise ConfigurationError(f"DULY_{name} {rule}, got {value!r}")
