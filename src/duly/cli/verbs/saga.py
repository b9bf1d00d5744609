"""`duly saga`: how far sagas have come; signal one, or let it go back."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import datetime
from typing import Any

from duly import clock, sagas
from duly.cli.entities import entity_text, read_entity
from duly.cli.json_text import read_json
from duly.cli.moments import span_text
from duly.cli.rehearsal import transaction_or_rehearsal
from duly.cli.tables import table, visible
from duly.conf import config
from duly.models import Saga
from duly.models.saga import FORWARD, TIMER, SagaStep
from duly.redaction import shown_context
from duly.store.saga_events import standing

ACTOR = "cli"
HEADS = ("saga", "name", "key", "about", "status", "started", "reason")
STEP_HEADS = ("step", "status", "began (UTC)", "ended (UTC)", "occurrence", "why")
LONGEST_REASON = 60
_OPEN = ("running", "stopping")


def perform(options: Namespace) -> int:
    """Do what is asked: show, list, signal or cancel."""
    verbs = {"show": _show, "list": _list, "signal": _signal, "cancel": _cancel}
    return verbs[options.what](options)


def _show(options: Namespace) -> int:
    saga = sagas.find_saga(options.saga, name=options.name)
    steps = _in_order(saga)
    whole = options.reveal
    if options.json:
        told = [_step_data(step, whole) for step in steps]
        print(json.dumps(_data(saga, whole) | {"steps": told}))
        return 0
    about = entity_text(saga.entity_type, saga.entity_id)
    print(visible(f"{saga.name} {saga.key or saga.id} is {saga.status}, version {saga.version}"))
    for name, text in (("about", about), ("reason", saga.reason)):
        if text:
            print(visible(f"{name}: {text}"))
    context = saga.context if whole else shown_context(saga)
    print(visible(f"context: {json.dumps(context, ensure_ascii=False)}"))
    print(table(STEP_HEADS, [_step_cells(step) for step in steps]))
    return 0


def _list(options: Namespace) -> int:
    found = sagas.list_sagas(
        name=options.name, status=options.status, entity=read_entity(options.entity)
    )[: options.count]
    if options.json:
        print(json.dumps([_data(saga) for saga in found]))
        return 0
    now = clock.now(config().database)
    rows = [_cells(saga, now) for saga in found]
    print(table(HEADS, rows) if rows else "No saga is like that.")
    return 0


def _signal(options: Namespace) -> int:
    value = read_json("--value", options.value)
    with transaction_or_rehearsal(options.dry_run):
        saga = sagas.signal_saga(
            options.saga, options.signal, value, name=options.name, actor=ACTOR
        )
    return _told(saga, options)


def _cancel(options: Namespace) -> int:
    with transaction_or_rehearsal(options.dry_run):
        saga = sagas.cancel_saga(
            options.saga, reason=options.reason, name=options.name, actor=ACTOR
        )
    return _told(saga, options)


def _told(saga: Saga, options: Namespace) -> int:
    if options.json:
        print(json.dumps(_data(saga) | {"dry_run": options.dry_run}))
        return 0
    verb = "would be" if options.dry_run else "is"
    print(visible(f"{saga.name} {saga.key or saga.id} {verb} {saga.status}"))
    return 0


def _in_order(saga: Saga) -> list[SagaStep]:
    """Give what has begun in the order in which it did, then what is planned; no timers."""
    steps = saga.steps.exclude(direction=TIMER)
    return sorted(
        steps,
        key=lambda step: (
            step.began_at is None,
            step.began_at or saga.created_at,
            step.direction != FORWARD,
            step.position,
        ),
    )


def _said(step: SagaStep) -> str:
    """Say why a step failed, or what it waits for."""
    if step.status not in _OPEN:
        return step.reason
    using = config().database
    timer = SagaStep.objects.using(using).filter(
        saga_id=step.saga_id, position=step.position, direction=TIMER, status="running"
    )
    said = [] if step.event_id is None else [standing(using, step.event_id)]
    for event_id in timer.values_list("event_id", flat=True):
        if event_id is not None and step.direction == FORWARD:
            said.append(f"its deadline is {standing(using, event_id)}")
    return "; ".join(said)


def _named(step: SagaStep) -> str:
    return step.name if step.direction == FORWARD else f"undo {step.name}"


def _step_cells(step: SagaStep) -> tuple[str, ...]:
    return (
        _named(step),
        step.status,
        _time(step.began_at),
        _time(step.ended_at),
        str(step.occurrence_id or ""),
        _said(step),
    )


def _cells(saga: Saga, now: datetime) -> tuple[str, ...]:
    reason = saga.reason
    return (
        str(saga.id),
        saga.name,
        saga.key or "",
        entity_text(saga.entity_type, saga.entity_id),
        saga.status,
        span_text(saga.created_at - now),
        reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 3]}...",
    )


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""


def _data(saga: Saga, whole: bool = False) -> dict[str, Any]:
    return {
        "saga_id": str(saga.id),
        "name": saga.name,
        "key": saga.key,
        "version": saga.version,
        "entity": entity_text(saga.entity_type, saga.entity_id) or None,
        "status": saga.status,
        "reason": saga.reason,
        "context": saga.context if whole else shown_context(saga),
        "created_at": saga.created_at.isoformat(),
        "updated_at": saga.updated_at.isoformat(),
    }


def _step_data(step: SagaStep, whole: bool) -> dict[str, Any]:
    return {
        "position": step.position,
        "name": step.name,
        "direction": step.direction,
        "status": step.status,
        "event_id": str(step.event_id) if step.event_id else None,
        "occurrence_id": str(step.occurrence_id) if step.occurrence_id else None,
        "began_at": step.began_at.isoformat() if step.began_at else None,
        "ended_at": step.ended_at.isoformat() if step.ended_at else None,
        "result": step.result if whole else shown_context(step),
        "reason": _said(step),
    }
