"""A project that serves the dashboard, and no admin."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("any/place/", include("duly.urls"))]
