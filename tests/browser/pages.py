"""All pages that a person sees, by what tests call them."""

from __future__ import annotations

from tests.browser.conftest import Clinic

LISTS = (
    "scheduledevent",
    "occurrence",
    "deadletter",
    "service",
    "gate",
    "saga",
    "ledgerentry",
)


def pages_of(clinic: Clinic) -> dict[str, str]:
    """Give their paths; of each kind of page one."""
    return {
        "admin": "/admin/",
        "duly": "/admin/duly/",
        **{name: f"/admin/duly/{name}/" for name in LISTS},
        "no such rows": "/admin/duly/scheduledevent/?entity=nobody:1",
        "a wrong filter": "/admin/duly/scheduledevent/?entity=nobody",
        "a new service": "/admin/duly/service/add/",
        "event": clinic.page_of("scheduledevent", "event"),
        "occurrence": clinic.page_of("occurrence", "occurrence"),
        "a dead one": f"/admin/duly/occurrence/{clinic.ids['dead'][1]}/change/",
        "breaker": "/admin/duly/gate/type_3Atransfer/change/",
        "saga page": clinic.page_of("saga", "saga"),
        "dashboard": "/duly/",
        "rows": "/duly/rows/dead/",
        "no rows": "/duly/rows/late/",
        "a new event": "/admin/duly/scheduledevent/new/?entity=patient:7",
    }
