"""A project that serves the dashboard beside an admin."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.urls import include, path

from duly.models import Occurrence, ScheduledEvent

# Not the default one: what is registered there is no concern of the dashboard's.
site = AdminSite()
site.register(ScheduledEvent)
site.register(Occurrence)

urlpatterns = [path("admin/", site.urls), path("duly/", include("duly.urls"))]
