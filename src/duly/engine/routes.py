"""Routes: what runs an occurrence, or hands it over, and what it has to pass before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from duly import registry
from duly.engine.executors.base import Executor
from duly.engine.executors.hand_over import HandOver
from duly.policy.gates import Terms
from duly.policy.handling import retry_of
from duly.policy.http_target import HttpTarget
from duly.policy.limits import Concurrency, Limits
from duly.policy.retry import Retry
from duly.policy.service import HandlerTarget, Service
from duly.registry import Registration
from duly.services import Registry
from duly.store.overlaps import is_exclusive
from duly.store.portable import NO_HANDLER
from duly.store.rows import NOBODY, Born, Claim, DueEvent, PassedOver

_NO_TERMS: Mapping[str, Terms] = {}


@dataclass(frozen=True, slots=True)
class Route:
    """Where occurrences of one service and event type go."""

    place: Executor | HandOver
    registration: Registration | None
    """How they are run; None: they are handed over, and who runs them knows."""
    service: Service

    @property
    def is_gated(self) -> bool:
        """Whether there is anything to pass."""
        if self.service.limits or self.service.breaker:
            return True
        found = self.registration
        return found is not None and bool(found.limits or found.breaker or found.concurrency)

    @property
    def crowd(self) -> PassedOver:
        """Name all that have to pass the same gate."""
        if self.service.terms is not None or self.registration is None:
            return PassedOver(services=frozenset([self.service.name]))
        return PassedOver(types=frozenset([self.registration.event_type]))

    def may_begin_with_birth(self, event: DueEvent) -> bool:
        """Say whether nothing has to be looked at before but the event itself."""
        takes_batches = self.registration is not None and self.registration.batch is not None
        return not (takes_batches or self.is_gated or is_exclusive(event.handling))

    def terms(self, claim: Claim) -> Mapping[str, Terms]:
        """Give what an occurrence has to pass, by the names of the gates."""
        return terms_of(self.service, self.registration, claim) if self.is_gated else _NO_TERMS


class Due(NamedTuple):
    """A claim whose instant has come, and where it goes."""

    claim: Claim
    route: Route


def runs_here(route: Route) -> bool:
    """Say whether its occurrences are run in this process, rather than handed over."""
    return not isinstance(route.place, HandOver)


class Places(Protocol):
    """What there is to run occurrences, and to hand them over."""

    plain: Executor
    asynchronous: Executor

    def elsewhere(self, service: Service, event_type: str) -> Route | None:
        """Give the route to a target that is no handler here; None: not from this process."""
        ...


class Routes:
    """Finds the route of each occurrence, by the services and the handlers of this moment."""

    def __init__(self, services: Registry, places: Places) -> None:
        self._services = services
        self._places = places

    def find(self, service: str, event_type: str) -> Route | None:
        """Give the route; None where nothing here can run it, nor hand it over."""
        found = self._services.find(service)
        if found is None:
            return None
        if not isinstance(found.target, HandlerTarget):
            return self._places.elsewhere(found, event_type)
        registration = registry.find(event_type)
        if registration is None:
            return None
        places = self._places
        return Route(
            places.asynchronous if registration.is_async else places.plain, registration, found
        )

    def missing(self, service: str, event_type: str) -> str:
        """Say why there is no route."""
        if self._services.find(service) is None:
            return f"service {service!r} cannot be read"
        return f"{NO_HANDLER} for {event_type!r}"

    def retry(self, service: str, event_type: str, handling: Mapping[str, object]) -> Retry:
        """Give the policy by which a lost attempt is tried again, wherever it ran."""
        found = self._services.find(service)
        registration = registry.find(event_type)
        is_request = found is not None and isinstance(found.target, HttpTarget)
        if registration is not None and not is_request:
            return retry_of(handling, registration.retry)
        return retry_of(handling, found.retry if found else Retry())

    def crowd(self, born: Born) -> PassedOver:
        """Name what a batch was full of, if that only waits for its turn at a gate."""
        claims = (*born.waiting, *born.begun)
        gated: Counter[PassedOver] = Counter()
        for claim in born.waiting:
            route = self.find(claim.service, claim.event_type)
            if route is not None and route.is_gated:
                gated[route.crowd] += 1
        crowd, count = gated.most_common(1)[0] if gated else (NOBODY, 0)
        return crowd if 2 * count > len(claims) else NOBODY

    def backed_up(self) -> PassedOver:
        """Name the services for which enough waits here already, because their broker is away."""
        full = (
            name
            for name, route in self.elsewhere().items()
            if route is not None and not runs_here(route) and not route.place.room()
        )
        return PassedOver(services=frozenset(full))

    def elsewhere(self) -> dict[str, Route | None]:
        """Give the route of each service whose occurrences no handler of this process runs."""
        return {
            service.name: self._places.elsewhere(service, "")
            for service in self._services.registered()
            if not isinstance(service.target, HandlerTarget)
        }


def terms_of(service: Service, registration: Registration | None, claim: Claim) -> dict[str, Terms]:
    """Give what an occurrence has to pass, by the names of the gates."""
    found: dict[str, Terms] = {}
    if (terms := service.terms) is not None:
        found[service.gate] = terms
    if registration is not None:
        if (terms := registration.terms) is not None:
            found[registration.gate] = terms
        if registration.concurrency and (name := _key(registration.concurrency, claim)):
            found[name] = Terms(Limits(in_flight=registration.concurrency.limit))
    return found


def _key(concurrency: Concurrency, claim: Claim) -> str:
    """Name the gate of one entity, event or key; empty where it has none."""
    match concurrency.per:
        case "entity":
            value = f"{claim.entity_type}:{claim.entity_id}" if claim.entity_id else ""
        case "event":
            value = str(claim.event_id)
        case "key":
            value = f"{claim.service}:{claim.key}" if claim.key else ""
    return f"key:{claim.event_type}:{value}" if value else ""
