"""What all pages about rows have in common that engines own: lists and pages, and no raw forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from duly import clock
from duly.admin import bulk, filters, searches
from duly.admin.estimates import estimated_rows
from duly.admin.filters import Asked, Field
from duly.admin.searches import Search
from duly.conf import config
from duly.errors import DulyError

if TYPE_CHECKING:
    _ModelAdmin = ModelAdmin[Any]
else:
    _ModelAdmin = ModelAdmin

KeyKind = Literal["uuid", "int", "path"]
_KEYS: dict[KeyKind, type[UUID] | type[int] | type[str]] = {"uuid": UUID, "int": int, "path": str}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list."""

    head: str
    cell: Callable[[Any, datetime], Any]
    """Takes the row and the present instant; gives text, or HTML that is safe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a list shows, and what it can be narrowed by."""

    fields: Sequence[Field]
    columns: Sequence[Column]
    search: Callable[[str, Asked, datetime], Search]
    """Takes the database, what is asked, and the present instant."""
    intro: str = ""
    actions: Sequence[bulk.BulkAction] = ()


class EngineOwned(_ModelAdmin):
    """A table that is read, and changed through the verbs alone."""

    listing: ClassVar[Listing]
    key_kind: ClassVar[KeyKind] = "uuid"
    list_template: ClassVar[str] = "admin/duly/list.html"
    page_template: ClassVar[str] = ""
    view_permission: ClassVar[str] = ""
    """Empty: Django's own of the model."""
    bulk_columns: ClassVar[tuple[str, ...]] = ()
    """What the actions for many rows need of each."""
    show_full_result_count = False

    # Nobody adds, changes or deletes such a row past the verbs, superusers neither.
    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        name = self.view_permission or f"duly.view_{self.opts.model_name}"
        return bool(request.user.has_perm(name))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> Any:
        return self.model._default_manager.using(config().database)

    def get_urls(self) -> list[Any]:
        """Give the list, the page of a row, and what else there is; none of Django's forms."""
        name = f"duly_{self.opts.model_name}"
        return [
            path("", self.guarded(self.list_view), name=f"{name}_changelist"),
            path("bulk/", self.guarded(self.bulk_view), name=f"{name}_bulk"),
            *self.more_urls(name),
            path(
                f"<{self.key_kind}:pk>/change/", self.guarded(self.page_view), name=f"{name}_change"
            ),
        ]

    def more_urls(self, name: str) -> list[URLPattern]:
        """Give what else there is beside the list and the page."""
        return []

    def guarded(self, view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        """Let a view be seen only by who may view the table; each change asks for more."""

        def guarded(request: HttpRequest, *arguments: Any, **options: Any) -> HttpResponseBase:
            if not self.has_view_permission(request):
                raise PermissionDenied
            return view(request, *arguments, **options)

        wrapped: Callable[..., HttpResponseBase] = self.admin_site.admin_view(guarded)
        return wrapped

    def list_view(self, request: HttpRequest) -> HttpResponse:
        """Show the list, narrowed as the URL says."""
        using = config().database
        now = clock.now(using)
        listing = self.listing
        asked = filters.read(listing.fields, request.GET)
        errors = dict(asked.errors)
        search = listing.search(using, asked, now)
        place = None
        try:
            text = request.GET.get("after", "")
            place = searches.read_place(text, search.order, _KEYS[self.key_kind])
        except DulyError as error:
            errors["after"] = str(error)
        page = searches.page_of(search, place)
        next_place = searches.place_text(page.next_place) if page.next_place else ""
        context = {
            "title": str(self.opts.verbose_name_plural).capitalize(),
            "intro": listing.intro,
            "fields": [
                {
                    "field": one,
                    "value": request.GET.get(one.name, ""),
                    "error": errors.pop(one.name, ""),
                    "suggested": one.suggested() if one.suggested else (),
                }
                for one in listing.fields
            ],
            "errors": list(errors.values()),
            "heads": [column.head for column in listing.columns],
            "rows": [
                {"pk": row.pk, "cells": [column.cell(row, now) for column in listing.columns]}
                for row in page.rows
            ],
            "is_narrowed": bool(asked.values),
            "estimate": None if asked.values or place else estimated_rows(using, self.model),
            "is_cut": page.is_cut,
            "looked_at": search.order.looked_at,
            "next_query": asked.query(after=next_place) if next_place else "",
            "first_query": asked.query() if place else "",
            "has_place": place is not None,
            "actions": [one for one in listing.actions if request.user.has_perm(one.permission)],
            "query": asked.query(),
        }
        return self.rendered(request, self.list_template, context | self.list_context(request))

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        """Give what else the template of the list needs."""
        return {}

    def bulk_view(self, request: HttpRequest) -> HttpResponse:
        """Say how many rows an action would change; once that is confirmed, change them."""
        return bulk.respond(self, request)

    def page_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Show one row, or do to it what is posted."""
        row = self.found(request, pk)
        if request.method == "POST":
            return self.posted(request, row)
        return self.page(request, row)

    def found(self, request: HttpRequest, pk: Any) -> Any:
        """Find a row. Raises Http404."""
        row = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise Http404(f"no {self.opts.verbose_name} has the id {str(pk)!r:.80}")
        return row

    def page(self, request: HttpRequest, row: Any, **others: Any) -> HttpResponse:
        """Show one row."""
        context = {"title": str(row), "row": row} | self.page_context(request, row) | others
        return self.rendered(request, self.page_template, context)

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Give what the template of the page needs."""
        return {}

    def posted(self, request: HttpRequest, row: Any) -> HttpResponse:
        """Do what was posted to the page of a row."""
        raise PermissionDenied

    def rendered(
        self, request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
    ) -> HttpResponse:
        """Answer with a page of the admin."""
        shared = self.admin_site.each_context(request) | {"opts": self.opts, "app_label": "duly"}
        return TemplateResponse(request, template, shared | context, status=status)

    def told(self, request: HttpRequest, text: str, *, is_error: bool = False) -> None:
        """Say what became of a request on the next page."""
        messages.add_message(request, messages.ERROR if is_error else messages.SUCCESS, text)
