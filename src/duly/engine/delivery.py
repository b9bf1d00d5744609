"""Delivery: the places that this process has, and which target is reached through which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from threading import Lock

from duly import registry
from duly.engine.executors.base import Executor
from duly.engine.executors.hand_over import HandOver, Publisher
from duly.engine.executors.slots import Slots
from duly.engine.routes import Route, Routes
from duly.policy.http_target import HttpTarget
from duly.policy.service import CeleryTarget, Service, TasksTarget
from duly.registry import Occurrence, Registration
from duly.services import Registry
from duly.store.rows import Claim, PassedOver

STOP_SECONDS = 5.0
_Queue = CeleryTarget | TasksTarget
Open = Callable[[_Queue], Publisher]


class Delivery:
    """Every executor of one engine, and every way out of it."""

    def __init__(
        self,
        services: Registry,
        *,
        plain: Executor,
        asynchronous: Executor,
        remote: Executor,
        open_publisher: Open,
        handed: Callable[[Sequence[Claim]], None],
    ) -> None:
        self.plain = plain
        self.asynchronous = asynchronous
        self._remote = remote
        self._open_publisher = open_publisher
        self._handed = handed
        self._hand_overs: dict[_Queue, HandOver] = {}
        self._opening = Lock()
        self.routes = Routes(services, self)

    def local(self) -> tuple[Executor, ...]:
        """Give the executors that this process has something to run for; the plain one always."""
        found = [self.plain]
        if registry.types_of(is_async=True):
            found.append(self.asynchronous)
        if any(route and route.place is self._remote for route in self.routes.elsewhere().values()):
            found.append(self._remote)
        return tuple(found)

    def hand_overs(self) -> tuple[HandOver, ...]:
        """Give what has been opened for targets that run elsewhere."""
        return tuple(self._hand_overs.values())

    def elsewhere(self, service: Service, event_type: str) -> Route | None:
        """Give the route to a target that is no handler here."""
        match service.target:
            case HttpTarget() as target:
                return Route(self._remote, _delivering(service, target, event_type), service)
            case CeleryTarget() | TasksTarget() as target:
                found = registry.find(event_type)
                return Route(self._hand_over(target), found, service)
        return None

    def passed_over(self, slots: Slots) -> PassedOver:
        """Say which events have no place."""
        elsewhere = self.routes.elsewhere()
        full = {
            name
            for name, route in elsewhere.items()
            if route is not None and not slots.left([route.place])
        }
        types = [
            registry.types_of(is_async=executor is self.asynchronous)
            for executor in (self.plain, self.asynchronous)
            if not slots.left([executor])
        ]
        return PassedOver(
            types=frozenset().union(*types),
            services=frozenset(full),
            elsewhere=frozenset(elsewhere),
        )

    def stop(self) -> list[Claim]:
        """Publish nothing more; gives the claims whose messages are not out."""
        hand_overs = self.hand_overs()
        for one in hand_overs:
            one.close()
        # Those whose brokers hang share the time, so that it is not multiplied.
        return [claim for one in hand_overs for claim in one.stop(STOP_SECONDS / len(hand_overs))]

    def _hand_over(self, target: _Queue) -> HandOver:
        found = self._hand_overs.get(target)
        if found is not None:
            return found
        with self._opening:
            found = self._hand_overs.get(target)
            if found is None:
                found = HandOver(str(target), partial(self._open_publisher, target), self._handed)
                found.start()
                self._hand_overs[target] = found
            return found


# The target's own time is up first; what then still hangs is given up here.
_SPARE = timedelta(seconds=5)


def _delivering(service: Service, target: HttpTarget, event_type: str) -> Registration:
    """Describe a delivery as what it is to an executor: a function that is called."""
    handler = registry.find(event_type)
    return Registration(
        event_type,
        partial(_deliver, target),
        service.retry,
        target.timeout + _SPARE,
        is_async=False,
        is_atomic=False,
        on_dead=handler.on_dead if handler else None,
    )


def _deliver(target: HttpTarget, occurrence: Occurrence) -> None:
    # Where it is needed: urllib3 is an extra.
    from duly.engine.targets import http

    http.deliver(target, occurrence)
