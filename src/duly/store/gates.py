"""Gates: who passes, who waits, and what their breakers learn; shared by all engines.

The row of each gate is locked while it is passed, always in the order of their names, so
that two engines never let in one too many, and never wait for each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from duly.models import Gate as GateRow
from duly.models import GateEntry, LedgerEntry, Occurrence
from duly.policy.breaker import HELD_OPEN, BreakerState, BreakerStatus
from duly.policy.gates import NO_ROOM, PASSES, Gate, Terms, Verdict, judge
from duly.policy.handling import rank
from duly.policy.states import OccurrenceStatus
from duly.store import facts
from duly.store.deferral import WAITS, put_aside
from duly.store.facts import THE_LEDGER
from duly.store.gate_rows import count, entries_in, locked, state_of
from duly.store.rows import Claim
from duly.store.turns import transaction_in_turn
from duly.telemetry import emit

_HAS_TOKEN = (GateEntry.RESERVED, GateEntry.READY)
_WOKEN = (GateEntry.WAITING, GateEntry.READY)
# An end lets in the next one, and one more for one that is not there any more.
_WOKEN_FOR_EACH = 2


@dataclass(frozen=True, slots=True)
class Request:
    """An occurrence before its gates."""

    claim: Claim
    terms: Mapping[str, Terms]
    """By the names of the gates."""
    place: object
    """What is to run it."""


_Asked = tuple[Request, Verdict]


@dataclass(frozen=True, slots=True)
class Passed:
    """An occurrence that had passed its gates, and whose attempt is over."""

    id: UUID
    attempt: int
    terms: Mapping[str, Terms]
    succeeded: bool | None
    """Whether its target answered as it should; None: that says nothing of the target."""


def admit(
    using: str,
    requests: Sequence[Request],
    rooms: Mapping[Any, int],
    now: datetime,
    draw: Callable[[], float],
) -> list[Verdict]:
    """Say of each occurrence, in this order, whether it may begin; who may not waits.

    rooms: how many can begin at each place. No more are let in: what a breaker has let in it
    cannot keep out any more.

    What waits has given up its lease; its verdict says until when. An occurrence that is not
    held any more is let through: whoever begins it is refused.
    """
    left = dict(rooms)
    with transaction_in_turn(using):
        gates = locked(using, _terms_of(request.terms for request in requests), now)
        held = _held(using, requests)
        # What an engine let in that has died since must not stand in its own way.
        entries_in(using).filter(occurrence_id__in=held).exclude(state__in=_HAS_TOKEN).delete()
        count(using, gates)
        reserved = _reserved(using, requests)
        verdicts: list[Verdict] = []
        for request in requests:
            if request.claim.id not in held:
                verdicts.append(PASSES)
                continue
            passed = [gates[name] for name in sorted(request.terms)]
            if left[request.place] <= 0 and not any(gate.keeps_out(now) for gate in passed):
                verdicts.append(NO_ROOM)
                continue
            due_at, tokens = request.claim.due_at, reserved[request.claim.id]
            verdict = judge(passed, due_at=due_at, reserved=tokens, now=now, draw=draw)
            left[request.place] -= verdict is PASSES
            verdicts.append(verdict)
        gates.save(using, now)
        asked = [
            (request, verdict)
            for request, verdict in zip(requests, verdicts, strict=True)
            if request.claim.id in held
        ]
        _enter(using, asked, gates)
        put_aside(using, [(request.claim, verdict) for request, verdict in asked], now)
    return verdicts


def keep_out(using: str, asked: Sequence[tuple[Claim, Verdict]], now: datetime) -> set[UUID]:
    """Let occurrences wait whose gate had an open breaker a moment ago; gives those that do.

    The others are to be asked for: their breaker has moved, or they are not held any more.
    """
    with transaction_in_turn(using):
        gates = locked(using, dict.fromkeys((verdict.gate for _, verdict in asked), Terms()), now)
        shut = [name for name, gate in gates.items() if gate.breaker.tried(now).is_open]
        asked = [(claim, verdict) for claim, verdict in asked if verdict.gate in shut]
        waits = put_aside(using, asked, now)
        ours = entries_in(using).filter(occurrence_id__in=waits)
        ours.exclude(state__in=_HAS_TOKEN).delete()
        for name in shut:
            ours.filter(gate=name, state=GateEntry.RESERVED).update(state=GateEntry.READY)
        entries_in(using).bulk_create(
            [
                _entry(claim, verdict.gate, GateEntry.WAITING)
                for claim, verdict in asked
                if claim.id in waits
            ],
            ignore_conflicts=True,
        )
    return waits


def settle(using: str, passed: Sequence[Passed], now: datetime) -> dict[str, bool]:
    """Let go of what is over, tell the breakers, and wake those whose turn it is.

    Says of each gate whether its breaker is open.
    """
    with transaction_in_turn(using):
        terms = _terms_of(one.terms for one in passed)
        gates = locked(using, terms, now)
        for attempt in {one.attempt for one in passed}:
            # Its next attempt may have been let in already.
            ids = [one.id for one in passed if one.attempt == attempt]
            entries_in(using).filter(occurrence_id__in=ids, attempt=attempt).delete()
        ended: Counter[str] = Counter()
        before = {name: gate.breaker for name, gate in gates.items()}
        for name, gate in gates.items():
            ours = [one for one in passed if name in one.terms]
            ended[name] = len(ours)
            results = [one.succeeded for one in ours if one.succeeded is not None]
            if gate.terms.breaker is not None:
                gate.breaker = gate.breaker.counted(gate.terms.breaker, results, now)
        count(using, gates)
        gates.save(using, now)
        for name, gate in gates.items():
            _tell(using, gate, before[name], now)
            _wake(using, gate, ended[name], now)
    return {name: gate.breaker.status is BreakerStatus.OPEN for name, gate in gates.items()}


def leave(using: str, left: Sequence[tuple[UUID, int]], now: datetime) -> None:
    """Let go of attempts that were let in and did not begin, and wake those whose turn it is.

    left: (occurrence, number of the attempt). Their gates are found by what was written when
        they were let in: who leaves may not know the handler whose gates they are.
    """
    attempts = dict(left)
    inside = entries_in(using).filter(occurrence_id__in=attempts, state=GateEntry.UNDER_WAY)
    names: defaultdict[UUID, list[str]] = defaultdict(list)
    for id_, attempt, gate in inside.values_list("occurrence_id", "attempt", "gate"):
        if attempts[id_] == attempt:
            names[id_].append(gate)
    passed = [
        Passed(id_, attempts[id_], dict.fromkeys(found, Terms()), None)
        for id_, found in names.items()
    ]
    if passed:
        settle(using, passed, now)


def steer(using: str, name: str, *, opens: bool, now: datetime, actor: str) -> BreakerState:
    """Open a breaker until it is closed by hand, or close it; gives its state."""
    state = HELD_OPEN if opens else BreakerState()
    with transaction_in_turn(using):
        gates = locked(using, {name: Terms()}, now)
        gate = gates[name]
        before, gate.breaker = gate.breaker, state
        gates.save(using, now)
        _tell(using, gate, before, now, actor)
        if not opens:
            # The first few: each that succeeds lets more of them in.
            _wake(using, gate, 1, now)
    return state


def breakers(using: str) -> dict[str, BreakerState]:
    """Give the state of every gate that has been passed."""
    rows = GateRow.objects.using(using).exclude(name__startswith="key:").order_by("name")
    return {row.name: state_of(row) for row in rows}


def page_of_breakers(
    using: str, past: str, limit: int, only: str | None = None
) -> list[tuple[str, BreakerState]]:
    """Give the states of breakers by name, from beyond `past` on; only that one, if named."""
    rows = GateRow.objects.using(using).exclude(name__startswith="key:").filter(name__gt=past)
    if only is not None:
        rows = rows.filter(name=only)
    return [(row.name, state_of(row)) for row in rows.order_by("name")[:limit]]


def _terms_of(all_terms: Iterable[Mapping[str, Terms]]) -> dict[str, Terms]:
    found: dict[str, Terms] = {}
    for terms in all_terms:
        found.update(terms)
    return found


def _held(using: str, requests: Sequence[Request]) -> set[UUID]:
    """Find those that wait to begin yet: what another engine runs by now is its own."""
    queued = Occurrence.objects.using(using).filter(
        id__in=[request.claim.id for request in requests], status=OccurrenceStatus.QUEUED
    )
    attempts = dict(queued.values_list("id", "attempt"))
    claims = (request.claim for request in requests)
    return {claim.id for claim in claims if attempts.get(claim.id) == claim.attempt}


def _reserved(using: str, requests: Sequence[Request]) -> dict[UUID, frozenset[str]]:
    """Find at which gates these occurrences have taken their token before."""
    ids = [
        request.claim.id
        for request in requests
        if any(terms.limits.rate for terms in request.terms.values())
    ]
    found: defaultdict[UUID, frozenset[str]] = defaultdict(frozenset)
    if ids:
        entries = entries_in(using).filter(occurrence_id__in=ids, state__in=_HAS_TOKEN)
        for id_, gate in entries.values_list("occurrence_id", "gate"):
            found[id_] |= {gate}
    return found


def _enter(using: str, asked: Sequence[_Asked], gates: Mapping[str, Gate]) -> None:
    """Write down who is under way, who waits where, and who has its token."""
    new: list[GateEntry] = []
    for request, verdict in asked:
        claim = request.claim
        states = _states(verdict)
        if verdict is PASSES:
            limited = [name for name in request.terms if gates[name].limit is not None]
            states = dict.fromkeys(limited, GateEntry.UNDER_WAY)
        new += [_entry(claim, name, state) for name, state in states.items()]
    # A token that has been taken is kept while its owner waits at another gate.
    let_in = [request.claim.id for request, verdict in asked if verdict is PASSES]
    entries_in(using).filter(occurrence_id__in=let_in, state__in=_HAS_TOKEN).delete()
    entries_in(using).bulk_create(
        new,
        update_conflicts=True,
        unique_fields=["occurrence_id", "gate"],
        update_fields=["state", "attempt"],
    )


def _entry(claim: Claim, gate: str, state: str) -> GateEntry:
    return GateEntry(
        gate=gate,
        occurrence_id=claim.id,
        attempt=claim.attempt + 1,
        state=state,
        rank=rank(claim.due_at, claim.handling),
    )


def _states(verdict: Verdict) -> dict[str, str]:
    """Say what an occurrence that waits is at each of its gates."""
    states = dict.fromkeys(verdict.reserved, GateEntry.RESERVED)
    if verdict.until and not verdict.waits_for_token:
        has_token = verdict.gate in verdict.reserved
        states[verdict.gate] = GateEntry.READY if has_token else GateEntry.WAITING
    return states


def _tell(
    using: str, gate: Gate, before: BreakerState, now: datetime, actor: str = facts.ENGINE
) -> None:
    """Tell the ledger that a breaker opened, or closed."""
    after = gate.breaker.status
    if after is before.status or after is BreakerStatus.HALF_OPEN:
        return
    fact = facts.BREAKER_OPENED if after is BreakerStatus.OPEN else facts.BREAKER_CLOSED
    probe_at = gate.breaker.probe_at
    data = {"gate": gate.name, "probe_at": probe_at.isoformat() if probe_at else None}
    entry = facts.entry(fact, now, THE_LEDGER, actor=actor, data=data)
    LedgerEntry.objects.using(using).bulk_create([entry])
    emit("breaker.moved", gate=gate.name, status=after.value)


def _wake(using: str, gate: Gate, ended: int, now: datetime) -> None:
    """Wake those that have waited longest, as many as there may be room for."""
    most = _WOKEN_FOR_EACH * ended if gate.free is None else min(gate.free, _WOKEN_FOR_EACH * ended)
    waiting = entries_in(using).filter(gate=gate.name, state__in=_WOKEN)
    pending = Occurrence.objects.using(using).filter(
        status=OccurrenceStatus.PENDING, reason__startswith=WAITS
    )
    # Some may have been cancelled: their turn is the next one's.
    there = waiting.filter(Exists(pending.filter(id=OuterRef("occurrence_id"))))
    if turn := list(there.order_by("rank")[:most]) if most else []:
        over = Q(pk__in=[one.pk for one in turn]) | Q(rank__lt=turn[-1].rank)
        waiting.filter(over, state=GateEntry.WAITING).delete()
        waiting.filter(over, state=GateEntry.READY).update(state=GateEntry.RESERVED)
        pending.filter(id__in=[one.occurrence_id for one in turn]).update(wake_at=now)
    if gate.name.startswith("key:") and not entries_in(using).filter(gate=gate.name).exists():
        # There may be one for each entity.
        GateRow.objects.using(using).filter(name=gate.name).delete()
