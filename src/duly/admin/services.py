"""Services in the admin: those of the settings to be seen, those of the database to be changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest

from duly import clock, services
from duly.admin import permissions
from duly.conf import config
from duly.errors import DulyError
from duly.models import Service
from duly.policy.service import HandlerTarget, service_from
from duly.policy.service import Service as ServiceOptions
from duly.store import facts, notes
from duly.store.notes import LONGEST_REASON, Subject
from duly.store.services import check_service, put_service, remove_service

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Service]
    _ModelAdmin = ModelAdmin[Service]
else:
    _ModelForm, _ModelAdmin = forms.ModelForm, ModelAdmin

HIDDEN = "<hidden>"
_SECRET = ("secret", "secrets")


def masked(options: Any) -> Any:
    """Give stored options with every secret in plain text hidden; one that is named is shown.

    None is stored by way of duly: this is about rows that were written by hand.
    """
    if not isinstance(options, Mapping):
        return options
    shown = dict(options)
    for name in _SECRET:
        if name in shown:
            many = shown[name] if isinstance(shown[name], list) else [shown[name]]
            hidden = [one if isinstance(one, Mapping) else HIDDEN for one in many]
            shown[name] = hidden if isinstance(shown[name], list) else hidden[0]
    if isinstance(shown.get("headers"), Mapping):
        shown["headers"] = {
            name: value if isinstance(value, Mapping) else HIDDEN
            for name, value in shown["headers"].items()
        }
    return shown


def unmasked(options: Any, stored: Any) -> Any:
    """Put headers that were hidden, and left alone, back as they are stored."""
    if not isinstance(options, Mapping) or not isinstance(options.get("headers"), Mapping):
        return options
    before = stored.get("headers") if isinstance(stored, Mapping) else None
    before = before if isinstance(before, Mapping) else {}
    headers = {
        name: before.get(name, value) if value == HIDDEN else value
        for name, value in options["headers"].items()
    }
    return {**options, "headers": headers}


class ServiceForm(_ModelForm):
    """A service of the database: its name, and its options as one entry of DULY["SERVICES"]."""

    options = forms.CharField(
        widget=forms.Textarea(
            attrs={"rows": 14, "class": "vLargeTextField", "spellcheck": "false"}
        ),
        help_text="JSON, as one entry of DULY['SERVICES']. Secrets by name: "
        '{"env": "CRM_SECRET"}. Values of headers are not shown again.',
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON, help_text="Written to the ledger, with your name."
    )

    class Meta:
        model = Service
        fields = ("name",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        stored = self.instance.options if self.instance.pk else {"target": "handler"}
        self.initial["options"] = json.dumps(masked(stored), indent=2, ensure_ascii=False)

    def clean_options(self) -> Any:
        """Read the JSON, and ask duly whether it can work."""
        try:
            found = json.loads(self.cleaned_data["options"])
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(f"the options are not JSON: {error}") from None
        found = unmasked(found, self.instance.options if self.instance.pk else None)
        if HIDDEN in json.dumps(found):
            raise forms.ValidationError("a secret is hidden: name it, as {'env': 'NAME'}")
        return found

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        name, options = self.cleaned_data.get("name"), self.cleaned_data.get("options")
        name = name or self.instance.pk
        if name and options is not None:
            try:
                check_service(name, options)
            except DulyError as error:
                self.add_error("options", str(error))
        return cleaned


class ServiceAdmin(_ModelAdmin):
    """Services of the database; those of the settings stand beside them."""

    form = ServiceForm
    fields = ("name", "options", "reason")
    list_display = ("name", "delivers_to", "bears", "readable")
    ordering = ("name",)
    actions = None
    list_per_page = 100
    show_full_result_count = False
    change_list_template = "admin/duly/services.html"

    class Media:
        css: ClassVar = {"all": ["duly/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> Any:
        return Service.objects.using(config().database)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Its name is its key: another name is another service.
        return ("name",) if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is not None and not self.has_change_permission(request, obj):
            return ("name", "shown_options")
        return self.fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("duly.view_service")) or self.has_change_permission(
            request, obj
        )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        of_settings = [_told(one) for one in config().services.values()]
        return super().changelist_view(
            request, (extra_context or {}) | {"of_settings": of_settings}
        )

    def save_model(self, request: HttpRequest, obj: Service, form: Any, change: bool) -> None:
        using = config().database
        now = clock.now(using)
        put_service(using, obj.name, form.cleaned_data["options"], now)
        what = f"{'change' if change else 'add'} service {obj.name}"
        actor = permissions.actor_of(request)
        reason = form.cleaned_data["reason"]
        notes.note(using, [Subject(facts.THE_LEDGER)], what, reason, now, actor)
        services.registry.forget()

    def delete_model(self, request: HttpRequest, obj: Service) -> None:
        using = config().database
        remove_service(using, obj.name)
        what = f"remove service {obj.name}"
        actor = permissions.actor_of(request)
        subject = [Subject(facts.THE_LEDGER)]
        notes.note(using, subject, what, "deleted in the admin", clock.now(using), actor)
        services.registry.forget()

    # The ledger tells of it, in the database that holds duly's tables.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return None

    def delivers_to(self, row: Service) -> str:
        """Say where its occurrences go; no more of a URL than its origin."""
        found = _read(row)
        return _target(found) if found else "–"

    def bears(self, row: Service) -> str:
        """Say what limits it."""
        found = _read(row)
        return _limits(found) if found else "–"

    def readable(self, row: Service) -> str:
        """Say whether engines can use it."""
        return "yes" if _read(row) else "no: it delivers nowhere until it is mended"

    def shown_options(self, row: Service) -> str:
        """Show its options to who may not change them."""
        return json.dumps(masked(row.options), indent=2, ensure_ascii=False)


def _read(row: Service) -> ServiceOptions | None:
    try:
        return service_from(row.name, row.options)
    except DulyError:
        return None


def _target(service: ServiceOptions) -> str:
    return "handlers" if isinstance(service.target, HandlerTarget) else str(service.target)


def _limits(service: ServiceOptions) -> str:
    limits = service.limits
    said = []
    if limits.in_flight is not None:
        said.append(f"{limits.in_flight} at once")
    if limits.rate:
        said.append(f"rate {limits.rate}")
    if service.breaker:
        said.append("a breaker")
    if service.encryption:
        said.append("encrypted")
    return ", ".join(said) or "nothing"


def _told(service: ServiceOptions) -> dict[str, str]:
    return {"name": service.name, "target": _target(service), "limits": _limits(service)}
