"""Where a number leads: to the rows that it counted, on a page of the dashboard's own.

The admin's lists are narrowed by what people look for; these by exactly what was counted. Where
the admin is installed, each of their rows leads on to its page there.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.admin.utils import quote
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf, reverse


def rows_url(kind: str, **given: str | datetime) -> str:
    """Give the address of a list of rows, such as "coming" from `start` to `end`."""
    # A page has hundreds, and where they lie is looked for anew each time, for 0.1 ms.
    where = (getattr(settings, "ROOT_URLCONF", ""), get_urlconf(), get_script_prefix())
    url = _rows_address(kind, *where)
    values = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in given.items()
    }
    return f"{url}?{urlencode(values)}" if values else url


@lru_cache(maxsize=64)
def _rows_address(kind: str, *where: str | None) -> str:
    return reverse("duly:rows", args=[kind])


def admin_url(page: str, *arguments: object, **given: str) -> str:
    """Give the address of a page of duly's admin; empty where it is not installed."""
    try:
        url = reverse(f"admin:duly_{page}", args=[quote(str(one)) for one in arguments])
    except NoReverseMatch:
        return ""
    return f"{url}?{urlencode(given)}" if given else url
