"""The pages of duly in a project: `path("duly/", include("duly.urls"))`."""

from __future__ import annotations

from django.urls import path

from duly.dashboard import views

app_name = "duly"
urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("part/<slug:name>/", views.part, name="part"),
    path("rows/<slug:kind>/", views.rows_view, name="rows"),
]
