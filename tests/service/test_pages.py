"""What the service's pages load, and what they let others do."""

from __future__ import annotations

import re

import pytest

from tests.service.serving import Serving

PAGES = ["/api/docs", "/admin/login/"]
LOADS = re.compile(r"""(?:src|href|action)=["']([^"']*)["']""")
ELSEWHERE = re.compile(r"(?:https?:)?//(?!www\.w3\.org/)[\w.-]+")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_nothing_from_elsewhere_and_all_that_it_loads_is_there(
    service: Serving, page: str
) -> None:
    text = service.get(page).text
    found = [url for url in LOADS.findall(text) if url and not url.startswith("#")]

    assert [url for url in found if ELSEWHERE.match(url)] == []
    files = [url for url in found if url.startswith("/static/")]
    assert files
    for url in files:
        assert service.get(url).status == 200, url


@pytest.mark.parametrize("page", PAGES)
def test_no_style_of_a_page_loads_from_elsewhere(service: Serving, page: str) -> None:
    styles = [url for url in LOADS.findall(service.get(page).text) if url.endswith(".css")]

    assert styles
    for url in styles:
        text = service.get(url).text
        assert [
            one for one in re.findall(r"url\(([^)]*)\)", text) if ELSEWHERE.match(one.strip("\"'"))
        ] == []
        assert not re.search(r"@import\s+[\"'](https?:)?//", text)


@pytest.mark.parametrize("page", [*PAGES, "/", "/api/openapi.json"])
def test_every_answer_forbids_what_a_page_does_not_need(service: Serving, page: str) -> None:
    headers = service.get(page).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"
    assert "server" not in headers


@pytest.mark.parametrize("page", PAGES)
def test_no_script_of_a_page_is_written_into_it(service: Serving, page: str) -> None:
    text = service.get(page).text
    inline = re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", text)

    assert inline == []
    assert not re.search(r"\son\w+=", text)


def test_the_dashboard_is_behind_the_admins_login(service: Serving) -> None:
    answer = service.get("/duly/")

    assert answer.status == 302
    assert answer.headers["location"] == "/admin/login/?next=/duly/"


def test_the_admin_takes_no_form_without_its_token(service: Serving) -> None:
    answer = service.ask("POST", "/admin/login/", b"username=admin&password=x")

    assert answer.status == 403


def test_a_host_name_that_is_not_ours_is_refused(service: Serving) -> None:
    assert service.get("/admin/login/", Host="evil.example").status == 400


def test_home_leads_to_the_documentation(service: Serving) -> None:
    assert service.get("/").headers["location"] == "/api/docs"
