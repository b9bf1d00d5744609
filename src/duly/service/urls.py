"""What the standalone service serves: REST, the admin, the dashboard, and a way to either."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from duly.service.login import ThrottledLogin
from duly.service.options import ServiceOptions

DASHBOARD = "/duly/"


def patterns(options: ServiceOptions) -> list[URLPattern | URLResolver]:
    """Give the paths of the parts that are not switched off."""
    found: list[URLPattern | URLResolver] = [
        path("", RedirectView.as_view(url=options.home), name="home")
    ]
    if options.admin:
        admin.site.site_header = admin.site.site_title = "duly"
        # "View site": there, the site is what one looks at.
        admin.site.site_url = DASHBOARD
        admin.site.login_form = ThrottledLogin
        found.append(path("admin/", admin.site.urls))
        # The admin's pages name no icon, and browsers then ask for this.
        icon = RedirectView.as_view(url=f"{settings.STATIC_URL}duly/icon.svg", permanent=True)
        found.append(path("favicon.ico", icon))
        # Who looks at it logs in there.
        found.append(path(DASHBOARD.strip("/") + "/", include("duly.urls")))
    if options.api:
        found.append(path("", include("duly.rest.urls")))
    return found


urlpatterns = patterns(getattr(settings, "DULY_SERVICE", ServiceOptions()))
