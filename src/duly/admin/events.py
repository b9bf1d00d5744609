"""Events in the admin: the list, the page of one, and the schedule builder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path

from duly import clock, scheduling
from duly.admin import (
    cells,
    entity_marks,
    firings,
    new_event,
    permissions,
    rule_form,
    suggestions,
    timeline,
)
from duly.admin.engine_owned import EngineOwned
from duly.admin.event_list import LISTING
from duly.admin.event_verbs import BY_NAME, VERBS, Verb
from duly.admin.payloads_shown import payload_shown
from duly.conf import config
from duly.errors import DulyError
from duly.models import ScheduledEvent
from duly.store import ledger
from duly.store.notes import LONGEST_REASON

LEDGER_SHOWN = 30


class EventAdmin(EngineOwned):
    """Events."""

    listing = LISTING
    list_template = "admin/duly/events.html"
    page_template = "admin/duly/event.html"
    bulk_columns = ("event_type", "key")

    def more_urls(self, name: str) -> list[URLPattern]:
        return [
            path("preview/", self.guarded(self.preview_view), name=f"{name}_preview"),
            path("new/", self.guarded(self.new_view), name=f"{name}_new"),
        ]

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        return {"may_schedule": permissions.may(request, permissions.SCHEDULE)}

    def get_queryset(self, request: HttpRequest) -> Any:
        # Decoded only where it is shown, to who may see it.
        return super().get_queryset(request).defer("payload")

    def page_context(self, request: HttpRequest, row: ScheduledEvent) -> dict[str, Any]:
        using = config().database
        now = clock.now(using)
        rule = rule_form.stored_rule(row.rule)
        zones = firings.zones_of(row, cells.viewer_zone(request))
        coming = firings.to_come(row, rule, zones)
        return {
            "entity": cells.entity(row.entity_type, row.entity_id),
            "rule_words": rule.describe() if rule else "a rule that this version cannot read",
            "explained": _explained(row),
            "next": cells.instant(row.next_at, now),
            "next_in_zones": cells.in_zones(row.next_at, zones) if row.next_at else [],
            "zones": zones,
            "coming": coming,
            "past": firings.that_were(using, row, zones),
            "timeline": timeline.drawn(entity_marks.lanes_of(using, row), now),
            "verbs": [
                verb
                for verb in VERBS
                if row.status in verb.of and permissions.may(request, verb.permission)
            ],
            "may_schedule": permissions.may(request, permissions.SCHEDULE),
            "builder": rule_form.RuleForm(rule_form.filled(row.rule)),
            "gaps": rule_form.GAPS,
            "folds": rule_form.FOLDS,
            "payload": payload_shown(request, row),
            "ledger": ledger.told(using, row.pk, LEDGER_SHOWN)[::-1],
            "longest_reason": LONGEST_REASON,
        }

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Say what a rule that is being typed means, and when it fires: a piece of a page."""
        form = rule_form.read(request.GET)
        zones = [("rule", form.rule.zone)] if form.rule else []
        viewer = cells.viewer_zone(request)
        if form.rule and viewer != form.rule.zone:
            zones.append(("you", viewer))
        errors = dict(form.errors)
        shown: list[firings.Shown] = []
        words = ""
        if form.rule:
            try:
                words = form.rule.describe()
                shown = firings.previewed(form.rule, zones, clock.now(config().database))
            except DulyError as error:
                errors["rule"] = str(error)
        context = {"errors": errors, "words": words, "coming": shown, "zones": zones}
        return self.rendered(request, "admin/duly/preview.html", context)

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a new event, say what it would do, and schedule it once that is confirmed."""
        permissions.require(request, permissions.SCHEDULE)
        posted = request.POST
        if request.method != "POST":
            return self._new_form(request, new_event.begun(request.GET))
        now = clock.now(config().database)
        form = new_event.read(posted, now)
        reason = posted.get("reason", "").strip()[:LONGEST_REASON]
        if form.new is None or posted.get("edit") == "1":
            return self._new_form(request, form, reason, 400 if form.errors else 200)
        # Sent twice, it is the same event under the same key.
        key = form.new.key or new_event.new_key()
        new = replace(form.new, key=key)
        asked_before = posted.get("confirm") == "1"
        if not asked_before or not reason:
            context = {
                "title": "New event",
                "is_inner": True,
                "verb": {"name": "schedule", "label": "Schedule", "what": "A new event."},
                "lines": new_event.would(new, now),
                "carried": dict(form.values) | {"key": key},
                "reason": reason,
                "reason_error": "Say why: it is written to the ledger." if asked_before else "",
                "longest_reason": LONGEST_REASON,
                "back": request.path,
            }
            status = 400 if asked_before else 200
            return self.rendered(request, "admin/duly/confirm.html", context, status)
        try:
            event, is_new = new_event.schedule(new, permissions.actor_of(request), reason)
        except DulyError as error:
            wrong = replace(form, errors={new_event.beside(error): str(error)})
            return self._new_form(request, wrong, reason, 400)
        self.told(request, "Scheduled." if is_new else "It was scheduled already, as it is here.")
        return HttpResponseRedirect(cells.page_url(ScheduledEvent, event.pk))

    def _new_form(
        self,
        request: HttpRequest,
        form: new_event.NewEventForm,
        reason: str = "",
        status: int = 200,
    ) -> HttpResponse:
        context = {
            "title": "New event",
            "is_inner": True,
            "form": form,
            "builder": rule_form.RuleForm(form.values, form.errors),
            "gaps": rule_form.GAPS,
            "folds": rule_form.FOLDS,
            "tzdata_changes": new_event.TZDATA_CHANGES,
            "types": suggestions.types(),
            "services": suggestions.registered_services(),
            "reason": reason,
            "longest_reason": LONGEST_REASON,
        }
        return self.rendered(request, "admin/duly/new_event.html", context, status)

    def posted(self, request: HttpRequest, row: ScheduledEvent) -> HttpResponse:
        verb = BY_NAME.get(request.POST.get("verb", ""))
        if verb is None:
            self.told(request, "choose what to do", is_error=True)
            return HttpResponseRedirect(request.path)
        permissions.require(request, verb.permission)
        reason = request.POST.get("reason", "").strip()[:LONGEST_REASON]
        if request.POST.get("confirm") != "1" or not reason:
            return self._confirm(request, row, verb, reason)
        try:
            answer = verb.act(row, request.POST, permissions.actor_of(request), reason)
        except DulyError as error:
            self.told(request, f"{verb.label}: {error}", is_error=True)
        else:
            too_late = answer.startswith("too late")
            self.told(request, f"{verb.label}: {answer}", is_error=too_late)
        return HttpResponseRedirect(request.path)

    def _confirm(
        self, request: HttpRequest, row: ScheduledEvent, verb: Verb, reason: str
    ) -> HttpResponse:
        """Say what a verb would do, and ask for the reason; or say why it cannot."""
        carried = {name: request.POST.get(name, "") for name in verb.carries}
        errors: dict[str, str] = {}
        if verb.name == "reschedule":
            errors = dict(rule_form.read(request.POST).errors)
        lines: list[str] = []
        if not errors:
            try:
                lines = list(verb.would(row, request.POST))
            except DulyError as error:
                errors = {"": str(error)}
        asked_before = request.POST.get("confirm") == "1"
        context = {
            "title": f"{verb.label}: {row}",
            "row": row,
            "verb": verb,
            "lines": lines,
            "errors": errors,
            "carried": carried,
            "reason": reason,
            "reason_error": "Say why: it is written to the ledger." if asked_before else "",
            "longest_reason": LONGEST_REASON,
            "back": request.path,
            "builder": rule_form.RuleForm(carried, errors),
            "gaps": rule_form.GAPS,
            "folds": rule_form.FOLDS,
        }
        wrong = bool(errors) or asked_before
        return self.rendered(request, "admin/duly/confirm.html", context, 400 if wrong else 200)


def _explained(row: ScheduledEvent) -> tuple[str, ...]:
    if row.next_at is None:
        return ()
    try:
        return scheduling.explain(row).sentences
    except DulyError as error:
        return (str(error),)
