"""For each operation of the service there is a method, and both clients have all of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest

from duly.client import AsyncClient, Client, ClientError, NewEvent
from tests.client.scripted import Says, scripted
from tests.rest.description import description

AT = datetime(2031, 1, 1, tzinfo=UTC)
DAILY = {"cron": "0 9 * * *", "timezone": "Europe/Berlin"}
LINK = "https://events.example/api/calendars/signed.ics"
USES: dict[str, Callable[[Client], Any]] = {
    "schedule": lambda duly: duly.schedule("x", AT),
    "schedule_many": lambda duly: list(duly.schedule_many([NewEvent("x", AT)])),
    "get": lambda duly: duly.get("e"),
    "upcoming": lambda duly: list(duly.upcoming()),
    "events": lambda duly: list(duly.events()),
    "cancel": lambda duly: duly.cancel("e"),
    "cancel_entity": lambda duly: duly.cancel_entity("e"),
    "patch": lambda duly: duly.patch("e", payload=None),
    "reschedule": lambda duly: duly.reschedule("e", AT),
    "plan": lambda duly: duly.plan("e", AT, until=AT),
    "explain": lambda duly: duly.explain("e"),
    "pause": lambda duly: duly.pause("e"),
    "resume": lambda duly: duly.resume("e"),
    "trigger": lambda duly: duly.trigger("e"),
    "skip": lambda duly: duly.skip("e"),
    "move": lambda duly: duly.move("e", AT),
    "backfill": lambda duly: duly.backfill("e", AT, AT),
    "occurrences": lambda duly: list(duly.occurrences("e")),
    "occurrence": lambda duly: duly.occurrence("o"),
    "ledger": lambda duly: list(duly.ledger("e")),
    "dead_letters": lambda duly: list(duly.dead_letters()),
    "dead_letter_groups": lambda duly: duly.dead_letter_groups(),
    "replay": lambda duly: duly.replay("o"),
    "replay_dead": lambda duly: duly.replay_dead(),
    "stream": lambda duly: next(duly.stream()),
    "start_saga": lambda duly: duly.start_saga("s"),
    "saga": lambda duly: duly.saga("s"),
    "sagas": lambda duly: list(duly.sagas()),
    "signal_saga": lambda duly: duly.signal_saga("s", "paid"),
    "cancel_saga": lambda duly: duly.cancel_saga("s"),
    "breakers": lambda duly: list(duly.breakers()),
    "open_breaker": lambda duly: duly.open_breaker("service:mine"),
    "close_breaker": lambda duly: duly.close_breaker("service:mine"),
    "templates": lambda duly: list(duly.templates()),
    "template": lambda duly: duly.template("t"),
    "create_template": lambda duly: duly.create_template("t", "x", DAILY),
    "replace_template": lambda duly: duly.replace_template("t", "x", DAILY),
    "delete_template": lambda duly: duly.delete_template("t"),
    "schedule_template": lambda duly: duly.schedule_template("t"),
    "calendar_link": lambda duly: duly.calendar_link("e"),
    "revoke_calendar_links": lambda duly: duly.revoke_calendar_links(),
    "calendar": lambda duly: duly.calendar(LINK),
    "preview": lambda duly: duly.preview(DAILY),
    "explain_rule": lambda duly: duly.explain_rule(DAILY),
    "convert": lambda duly: duly.convert(AT, ["UTC"]),
    "validate": lambda duly: duly.validate("UTC", "UTC"),
}
MACHINERY = {"ask", "each", "close"}


def methods(of: type) -> set[str]:
    return {name for name in vars(of) if not name.startswith("_")} - MACHINERY


def operation(method: str, path: str) -> str:
    """Give the operation that a request is for; the most literal of several."""
    fitting = [
        template
        for template, operations in description()["paths"].items()
        if method.lower() in operations
        and re.fullmatch(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template)), path)
    ]
    return f"{method} {min(fitting, key=lambda template: template.count('{'))}"


def test_every_operation_of_the_service_has_a_method() -> None:
    # Whatever is asked is refused: what counts is which operation was asked for.
    with scripted(Says(400, {"title": "Refused"})) as server:
        duly = Client(server.url, service="mine", api_key="duly_k", retries=0)
        for use in USES.values():
            with pytest.raises(ClientError):
                use(duly)
    asked = {operation(one.method, unquote(one.path.partition("?")[0])) for one in server.asked}
    described = {
        f"{method.upper()} {path}"
        for path, operations in description()["paths"].items()
        for method in operations
    }

    assert len(server.asked) == len(USES)
    assert described - asked == set()
    assert methods(Client) == set(USES)


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    assert methods(AsyncClient) == methods(Client)
    for name in methods(Client):
        sync, coroutine = getattr(Client, name), getattr(AsyncClient, name)
        assert (
            str(inspect.signature(sync)).partition(" ->")[0]
            == (str(inspect.signature(coroutine)).partition(" ->")[0])
        ), name


def test_every_method_says_what_it_does() -> None:
    for name in methods(Client):
        assert inspect.getdoc(getattr(Client, name)), name
        assert next(iter(inspect.signature(getattr(Client, name)).parameters)) == "self"
