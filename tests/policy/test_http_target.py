"""What an HTTP target may be: data is checked where it is given, and secrets stay unseen."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from duly.errors import ConfigurationError
from duly.policy.endpoint import Endpoint, endpoint_of
from duly.policy.http_target import KEYS, HttpTarget
from duly.policy.secret_values import FromEnvironment

URL = "https://crm.example/hooks?token=canary"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def target(**fields: Any) -> HttpTarget:
    return HttpTarget.from_mapping({"url": URL, "secret": SECRET} | fields)


def test_a_target_is_read_from_data() -> None:
    found = HttpTarget.from_mapping(
        {
            "target": "http",
            "url": URL,
            "secret": [{"env": "CRM_SECRET"}, SECRET],
            "headers": {"Authorization": {"env": "CRM_TOKEN"}, "X-Region": "eu"},
            "timeout": 7.5,
            "allow": ["10.0.0.0/8", "fd00::/16"],
            "client_certificate": "/etc/duly/client.pem",
            "client_key": "/etc/duly/client.key",
            "ca_file": "/etc/duly/ca.pem",
            "max_response_bytes": 1000,
        }
    )

    assert found == HttpTarget(
        url=URL,
        secrets=(FromEnvironment("CRM_SECRET"), SECRET),
        headers={"Authorization": FromEnvironment("CRM_TOKEN"), "X-Region": "eu"},
        timeout=timedelta(seconds=7.5),
        allow=(ip_network("10.0.0.0/8"), ip_network("fd00::/16")),
        client_certificate="/etc/duly/client.pem",
        client_key="/etc/duly/client.key",
        ca_file="/etc/duly/ca.pem",
        max_response_bytes=1000,
    )
    assert len({found, target()}) == 2
    assert found.endpoint == Endpoint("https", "crm.example", 443, "/hooks?token=canary")


def test_a_target_shows_neither_secrets_nor_headers_nor_its_path() -> None:
    shown = repr(target(headers={"Authorization": "Bearer canary"}))

    assert shown == "HttpTarget('https://crm.example')"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"secert": SECRET}, "no 'secert'; did you mean 'secret'", id="unknown-key"),
        pytest.param({"retries": 3}, "no 'retries'; known: allow", id="unlike-any-key"),
        pytest.param({"target": "celery"}, "target must be 'http'", id="another-kind"),
        pytest.param({"secrets": [SECRET]}, "secret or secrets, not both", id="twice"),
        pytest.param({"secret": []}, "one secret, or two", id="no-secret"),
        pytest.param({"secret": [SECRET] * 3}, "one secret, or two", id="three-secrets"),
        pytest.param({"secret": None}, "a secret must be text or", id="none"),
        pytest.param({"secret": {"env": "A B"}}, "env must be the name", id="bad-variable"),
        pytest.param({"secret": {"vault": "x"}}, "a secret must be text or", id="unknown-source"),
        pytest.param({"headers": ["X: 1"]}, "headers must be a dict", id="headers-list"),
        pytest.param({"headers": {"X Y": "1"}}, "name that HTTP does not allow", id="header-name"),
        pytest.param({"headers": {"X:": "1"}}, "name that HTTP does not allow", id="header-colon"),
        pytest.param({"headers": {"Host": "a"}}, "written by duly", id="host"),
        pytest.param({"headers": {"Webhook-Id": "a"}}, "written by duly", id="webhook-id"),
        pytest.param({"headers": {"X": "1", "x": "2"}}, "'x' twice", id="header-twice"),
        pytest.param({"timeout": 0}, "timeout must be above zero", id="no-time"),
        pytest.param({"timeout": "5"}, "timeout must be a timedelta or seconds", id="text-time"),
        pytest.param({"allow": ["10.0.0.1/8"]}, "allow must hold networks", id="host-bits"),
        pytest.param({"allow": ["crm.example"]}, "allow must hold networks", id="a-name"),
        pytest.param({"allow": [10]}, "allow must hold networks as text", id="a-number"),
        pytest.param({"allow": ["0.0.0.0/0"]}, "not within one of the networks", id="everything"),
        pytest.param({"allow": ["::/0"]}, "not within one of the networks", id="everything-6"),
        pytest.param({"allow": ["8.8.8.0/24"]}, "not within one of the networks", id="public"),
        pytest.param({"client_key": "/k"}, "client_key needs client_certificate", id="key-alone"),
        pytest.param({"ca_file": 1}, "ca_file must be the path", id="no-path"),
        pytest.param({"max_response_bytes": 0}, "must be a whole number of 1", id="no-bytes"),
        pytest.param({"allow_http": "yes"}, "allow_http must be True or False", id="no-bool"),
    ],
)
def test_a_field_that_cannot_work_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        target(**fields)


@pytest.mark.parametrize("missing", ["url", "secret"])
def test_url_and_secret_are_needed(missing: str) -> None:
    fields = {"url": URL, "secret": SECRET}
    del fields[missing]

    with pytest.raises(ConfigurationError, match=f"needs {missing}"):
        HttpTarget.from_mapping(fields)


def test_what_is_no_dict_is_no_target() -> None:
    with pytest.raises(ConfigurationError, match="must be a dict"):
        HttpTarget.from_mapping("https://crm.example")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {"secret": "canary"},
        {"secret": "whsec_" + "Y2FuYXJ5"},
        {"headers": {"Authorization": "canary\r\nX-Evil: 1"}},
        {"headers": {"Authorization": "canary\x00"}},
        {"headers": {"Authorization": "canaryé"}},
        {"headers": {"Authorization": " canary"}},
        {"headers": {"Authorization": ""}},
        {"url": "https://user:canary@crm.example/"},
        {"url": "https://crm.example/\r\nHost: canary"},
    ],
)
def test_what_is_refused_is_not_repeated_where_it_may_be_a_secret(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        target(**fields)

    assert "canary" not in str(caught.value)


def test_plain_http_is_asked_for_by_name_or_by_network() -> None:
    with pytest.raises(ConfigurationError, match="plain http"):
        target(url="http://crm.internal/")

    assert target(url="http://crm.internal/", allow="10.0.0.0/8").endpoint.port == 80
    assert target(url="http://crm.example:8080/", allow_http=True).endpoint.port == 8080


def test_values_are_read_from_the_environment_that_is_given() -> None:
    found = target(
        secret=[{"env": "NEW"}, OTHER_SECRET], headers={"Authorization": {"env": "TOKEN"}}
    )
    environment = {"NEW": SECRET, "TOKEN": "Bearer t"}

    assert found.signing_secrets(environment) == (SECRET, OTHER_SECRET)
    assert found.extra_headers(environment) == {"Authorization": "Bearer t"}
    with pytest.raises(ConfigurationError, match="'NEW', which is not set"):
        found.signing_secrets({})
    with pytest.raises(ConfigurationError, match="'TOKEN', which is not set"):
        found.extra_headers({})
    with pytest.raises(ConfigurationError, match="'whsec_' and base64"):
        found.signing_secrets({"NEW": "no base64!"})


def test_the_keys_are_those_that_a_registry_may_pass_on() -> None:
    assert {"url", "secret", "secrets", "target", "timeout"} <= KEYS
    assert "endpoint" not in KEYS


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://crm.example", Endpoint("https", "crm.example", 443, "/")),
        ("HTTPS://CRM.Example:8443", Endpoint("https", "crm.example", 8443, "/")),
        ("https://crm.example?a=1", Endpoint("https", "crm.example", 443, "/?a=1")),
        ("https://crm.example//b", Endpoint("https", "crm.example", 443, "//b")),
        ("https://crm_1.internal./x", Endpoint("https", "crm_1.internal.", 443, "/x")),
        ("https://[2001:DB8::1]:444/", Endpoint("https", "2001:db8::1", 444, "/")),
        ("http://10.0.0.1/%7Ea", Endpoint("http", "10.0.0.1", 80, "/%7Ea")),
    ],
)
def test_a_url_leads_to_one_place(url: str, endpoint: Endpoint) -> None:
    assert endpoint_of(url) == endpoint


def test_an_origin_names_scheme_host_and_port() -> None:
    assert endpoint_of("https://[2001:db8::1]:444/x?y").origin == "https://[2001:db8::1]:444"
    assert endpoint_of("http://crm.example:80/x").origin == "http://crm.example"


@pytest.mark.parametrize(
    "url",
    [
        None,
        b"https://crm.example",
        "",
        "crm.example",
        "//crm.example/",
        "ftp://crm.example/",
        "file:///etc/passwd",
        "https:crm.example",
        "https:///path",
        "https://",
        "https://crm.example:0/",
        "https://crm.example:65536/",
        "https://crm.example:/",
        "https://crm.example:http/",
        "https://a:443:443/",
        "https://user@crm.example/",
        "https://crm.example\\@evil.example/",
        "https://crm.example%2eevil.example/",
        "https://crm.example /",
        "https://crm.example/\n",
        "https://crm.example/\t",
        " https://crm.example/",
        "https://crm.example/#part",
        "https://bücher.example/",
        "https://crm..example/",
        "https://-crm.example/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 130 + "example/",
        "https://[::1/",
        "https://[::1]evil.example/",
        "https://[fe80::1%25eth0]/",
        "https://[1.2.3.4]/",
        "https://[::g]/",
        "https://crm.example/" + "a" * 2_000,
    ],
)
def test_a_url_that_two_parsers_could_read_differently_is_refused(url: object) -> None:
    with pytest.raises(ConfigurationError, match="url"):
        endpoint_of(url)
