"""Checks of what is delivered to others: services, their secrets, and brokers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from duly.doctor.findings import Finding, Patient, check, fail, ok, warn
from duly.doctor.work import known_types
from duly.encryption import read_key
from duly.engine.incidents import EVENT_TYPE
from duly.errors import ConfigurationError, DulyError
from duly.models import Notice
from duly.policy.http_target import HttpTarget
from duly.policy.service import CeleryTarget, Service, TasksTarget, service_from
from duly.store.services import stored_services

BROKER_SECONDS = 3.0


@check("services")
def services(patient: Patient) -> Iterable[Finding]:
    """Whether every service can be read, and its secrets are there."""
    found, services = [], dict(patient.config.services)
    for name, options in stored_services(patient.using).items():
        try:
            services.setdefault(name, service_from(name, options))
        except ConfigurationError as error:
            fix = "put_service() with options that work; until then it delivers nowhere"
            found.append(fail(str(error), fix))
    for service in services.values():
        found += _service(service)
    return found or [ok(f"all {len(services)} can be read" if services else "none is registered")]


def _service(service: Service) -> Iterator[Finding]:
    yield from _keys(service)
    match service.target:
        case HttpTarget() as target:
            yield from _http(service.name, target)
        case CeleryTarget() if find_spec("celery") is None:
            yield fail(f"service {service.name!r} needs Celery", "pip install 'duly[celery]'")
        case TasksTarget() as target:
            yield from _backend(service.name, target)


def _keys(service: Service) -> Iterator[Finding]:
    """Read each key: the newest is needed to schedule, the others to read what is older."""
    for number, key in enumerate(service.encryption.keys if service.encryption else ()):
        try:
            read_key(service.name, key)
        except ConfigurationError as error:
            fix = "set it where engines are started, and here, to be sure"
            yield (warn if number else fail)(f"service {service.name!r}: {error}", fix)


def _http(name: str, target: HttpTarget) -> Iterator[Finding]:
    try:
        target.signing_secrets(os.environ)
        target.extra_headers(os.environ)
    except ConfigurationError as error:
        fix = "set it where engines are started, and here, to be sure"
        yield fail(f"service {name!r}: {error}", fix)
    if find_spec("urllib3") is None:
        yield fail(f"service {name!r} needs urllib3", "pip install 'duly[http]'")
    for path in filter(None, (target.client_certificate, target.client_key, target.ca_file)):
        if not os.access(Path(path), os.R_OK):
            yield fail(
                f"service {name!r}: {path!r} cannot be read", "see its path, and who owns it"
            )


def _backend(name: str, target: TasksTarget) -> Iterator[Finding]:
    from duly.django_tasks import home

    if not home.is_there():
        yield fail(f"service {name!r} needs django.tasks", "pip install django-tasks")
        return
    from django.conf import settings

    known = getattr(settings, "TASKS", {"default": {}})
    if target.backend not in known:
        fix = f"TASKS has {', '.join(sorted(known))}"
        yield fail(f"service {name!r}: TASKS has no backend {target.backend!r}", fix)


@check("broker")
def broker(patient: Patient) -> Iterable[Finding]:
    """Whether the broker of Celery services can be reached from here."""
    queues = sorted(
        {
            service.target.queue
            for service in _readable(patient)
            if isinstance(service.target, CeleryTarget)
        }
    )
    if not queues:
        return [ok("not needed: no service delivers to Celery")]
    return [_broker(queues)]


def _readable(patient: Patient) -> Iterator[Service]:
    yield from patient.config.services.values()
    for name, options in stored_services(patient.using).items():
        try:
            yield service_from(name, options)
        except ConfigurationError:
            continue  # Told by `services`.


def _broker(queues: list[str]) -> Finding:
    if find_spec("celery") is None:
        return fail("Celery is not installed", "pip install 'duly[celery]'")
    from duly.celery.project import project_app

    try:
        app: Any = project_app()
    except DulyError as error:
        return fail(str(error), "import your Celery app in the __init__.py of the project")
    with app.connection_for_write(connect_timeout=BROKER_SECONDS) as connection:
        where = connection.as_uri()
        try:
            connection.transport_options |= _short(connection.transport.driver_type)
            connection.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
        except Exception as error:
            said = f"{where} cannot be reached: {type(error).__name__}: {error}"
            return fail(said, "see broker_url, and whether the broker runs; what is due waits")
    return ok(f"{where} answers, for {', '.join(queues)}")


def _short(kind: str) -> dict[str, float]:
    """Give the options by which a broker of a kind is not waited for."""
    if kind != "redis":
        return {}
    return {"socket_timeout": BROKER_SECONDS, "socket_connect_timeout": BROKER_SECONDS}


@check("notifications")
def notifications(patient: Patient) -> Finding:
    """Whether somebody is told when something fails, and that works."""
    notify = patient.config.notify
    if notify is None:
        return ok("nobody is told of failures; DULY['NOTIFY'] says whom to tell")
    if notify.event and EVENT_TYPE not in known_types(patient.using, patient.now):
        fix = f"register a @duly.handler({EVENT_TYPE!r})"
        return fail(f"nobody handles {EVENT_TYPE!r}", fix)
    if notify.webhook is not None:
        try:
            notify.webhook.signing_secrets(os.environ)
        except ConfigurationError as error:
            return fail(f"the webhook: {error}", "set it where engines are started")
    if failing := Notice.objects.using(patient.using).filter(failures__gt=0).count():
        fix = "see 'notification.failed' in the log, and try 'duly notify --test'"
        return fail(f"{failing} groups could not be told of by any channel", fix)
    return ok(f"by {', '.join(notify.channels)}")
