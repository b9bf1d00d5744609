"""Where the API is mounted: `path("", include("duly.rest.urls"))`."""

from __future__ import annotations

from django.urls import path, re_path

from duly.rest.api import api, nothing_here

urlpatterns = [
    path("api/", api.urls),
    # With line breaks in it as well, or Django answers, in HTML.
    re_path(r"^api/(?P<rest>(?s:.*))\Z", nothing_here),
]
