"""`duly serve`: the web, an engine and its workers in one process, until it is told to stop."""

from __future__ import annotations

import ipaddress
import os
import signal
from argparse import Namespace
from typing import Any

from django.conf import settings as django_settings
from django.core.servers.basehttp import get_internal_wsgi_application

from duly.cli.introductions import database_name, introduction, say_json, say_text
from duly.cli.signals import stop_signals
from duly.cli.verbs.run import overridden
from duly.conf import config
from duly.engine.loop import Engine
from duly.engine.options import EngineOptions
from duly.errors import AddressTaken, ConfigurationError
from duly.exporters.logs import write_json
from duly.models import Occurrence
from duly.service import first_start, process, systemd
from duly.service.first_start import Key, Login
from duly.service.options import ADMIN, LOCAL_HOSTS, ServiceOptions
from duly.service.web_server import WebOptions, WebServer, listen
from duly.store.backends import notice_silence

MOST_THREADS = 256
KEYS = "duly keys"
CHANGE_PASSWORD = "django-admin changepassword admin --settings duly.service.web_settings"  # noqa: S105


def perform(options: Namespace) -> int:
    """Serve until SIGTERM or SIGINT; 1 where not all was answered, or not all written down."""
    if not 1 <= options.threads <= MOST_THREADS:
        raise ConfigurationError(f"--threads must be 1 to {MOST_THREADS}, got {options.threads}")
    if options.api and options.threads <= (streams := config().streams):
        raise ConfigurationError(
            f"--threads must be more than STREAMS, {streams}, got {options.threads}: each open "
            "stream takes a thread, and none would be left to answer; give more threads, or set "
            f"DULY_STREAMS, or DULY['STREAMS'], to {options.threads - 1} or less"
        )
    if not 0 <= options.port <= 65_535:
        raise ConfigurationError(f"--port must be 0 to 65535, got {options.port}")
    if not (options.api and options.admin) and not _is_alone():
        raise ConfigurationError(
            "--no-api and --no-admin are for duly alone; a project's urls.py says what is there"
        )
    if options.log == "json":
        write_json()
    settings = overridden(config(), options)
    if not _is_alone():
        # A project's tables are its own affair: this says so where there are none.
        Occurrence.objects.using(settings.database).exists()
    # First: what follows shows secrets once, and a taken port must not lose them.
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        raise AddressTaken(
            f"cannot listen on {options.host} port {options.port}: {error.strerror}; "
            "--port takes another"
        ) from None
    notice_silence(settings.database)
    engine = Engine(EngineOptions.of(settings)) if options.engine else None
    process.runs(engine)
    service: ServiceOptions = getattr(django_settings, "DULY_SERVICE", ServiceOptions())
    with stop_signals() as signals:
        web = WebServer(
            get_internal_wsgi_application(),
            listener,
            WebOptions(threads=options.threads, service=service),
            ended=lambda: signals.put(signal.SIGABRT),
        )
        teller = _Teller(options, listener.getsockname(), service)
        if _is_alone():
            teller.first(*_first_start(service, settings.database))
        if engine:
            engine.start()
        web.start()
        teller.started(engine, settings.database)
        systemd.notify("READY=1")
        stopped_by = signals.get()
        systemd.notify("STOPPING=1")
        web.drain(settings.grace_seconds)
        is_written = engine.stop() if engine else True
        is_answered = web.join()
        teller.stopped(engine, is_written, is_answered)
    return 0 if is_written and is_answered and stopped_by != signal.SIGABRT else 1


def _is_alone() -> bool:
    return hasattr(django_settings, "DULY_SERVICE")


def _first_start(service: ServiceOptions, using: str) -> tuple[Login | None, Key | None]:
    login = first_start.make_admin(using, os.environ) if service.admin else None
    return login, first_start.make_key(using) if service.api else None


class _Teller:
    """Says on standard output what happens, in words or as lines of JSON."""

    def __init__(
        self, options: Namespace, address: tuple[Any, ...], service: ServiceOptions
    ) -> None:
        host = ipaddress.ip_address(address[0])
        name = "localhost" if host.is_unspecified else f"[{host}]" if host.version == 6 else host
        self._url = f"http://{name}:{address[1]}"
        self._service = service
        self._is_json = options.json
        is_default = service.hosts == list(LOCAL_HOSTS)
        self._needs_names = _is_alone() and not host.is_loopback and is_default

    def first(self, login: Login | None, key: Key | None) -> None:
        """Show what the first start has made; nobody can show it again."""
        if self._is_json:
            if login:
                say_json(
                    "service.admin_made", {"user": login.user, "password": login.password or None}
                )
            if key:
                say_json("service.key_made", {"service": key.service, "key": key.secret})
            return
        if login or key:
            print("duly: the first start; this is shown once:")
        if login:
            password = login.password or f"as {first_start.PASSWORD_VARIABLE} says"
            print(f"  admin    {self._url}{ADMIN}  user {login.user}, password {password}")
        if key:
            print(f"  API key  X-Service-Name: {key.service}")
            print(f"           X-API-Key: {key.secret}")
        print(end="", flush=True)

    def started(self, engine: Engine | None, using: str) -> None:
        """Say where it serves, and what the engine is."""
        database = database_name(using)
        if self._is_json:
            told: dict[str, Any] = {"url": self._url, "database": database}
            if _is_alone():
                parts = [name for name in ("api", "admin") if getattr(self._service, name)]
                told |= {"parts": parts, "keys": KEYS, "password": CHANGE_PASSWORD}
            say_json("service.started", told)
        else:
            home = self._service.home if _is_alone() else "/"
            print(f"duly: serves {self._url}{home} on {database}")
            if _is_alone():
                print(f"duly: API keys: {KEYS}; the admin's password: {CHANGE_PASSWORD}")
            if self._needs_names:
                names = ", ".join(LOCAL_HOSTS)
                print(f"duly: answers to {names} alone; DULY_ALLOWED_HOSTS names others")
            if engine is None:
                print("duly: without an engine: 'duly run' fires what is scheduled here")
        if engine:
            self._engine("engine.started", introduction(engine.options))
        print(end="", flush=True)

    def stopped(self, engine: Engine | None, is_written: bool, is_answered: bool) -> None:
        """Say how it ended."""
        if engine:
            facts = {"holder": str(engine.options.holder), "clean": is_written}
            self._engine("engine.stopped", facts)
        if self._is_json:
            say_json("service.stopped", {"clean": is_answered})
        else:
            end = "all answered" if is_answered else "not all was answered in time"
            print(f"duly: serves no more, {end}", flush=True)

    def _engine(self, name: str, facts: dict[str, Any]) -> None:
        (say_json if self._is_json else say_text)(name, facts)
