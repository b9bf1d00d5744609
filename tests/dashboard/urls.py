"""A project that serves the dashboard beside the admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("duly/", include("duly.urls"))]
