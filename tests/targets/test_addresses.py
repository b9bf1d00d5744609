"""Where nothing is sent: whatever a URL is spelled like, and whatever its name answers."""

from __future__ import annotations

from typing import Any

import pytest

from duly.engine.targets.http import deliver
from duly.errors import AddressRefused, TargetFailed
from duly.policy.http_target import HttpTarget
from duly.testing.occurrences import occurrence
from tests.targets.conftest import SECRET, Answers, Serve, target_at
from tests.targets.server import reply


def guarded(url: str, **fields: Any) -> HttpTarget:
    """A target that may use plain http, and nothing else that is not public."""
    return HttpTarget.from_mapping(
        {"url": url, "secret": SECRET, "allow_http": True, "timeout": 10} | fields
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "0177.0x0.1",
        "127.255.255.254",
        "0.0.0.0",
        "0",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
    ],
)
def test_no_spelling_of_this_host_is_sent_to(serve: Serve, host: str) -> None:
    server = serve(reply(200))

    with pytest.raises(AddressRefused, match="nothing was sent to"):
        deliver(guarded(f"http://{host}:{server.port}/"), occurrence("reminder"))

    assert server.accepted == 0


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.43518",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "2852039166",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
    ],
)
def test_no_spelling_of_a_clouds_metadata_is_sent_to(host: str) -> None:
    with pytest.raises(AddressRefused, match="nothing was sent to"):
        deliver(guarded(f"http://{host}/latest/meta-data/"), occurrence("reminder"))


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.5", "::ffff:10.0.0.5", "64:ff9b::a00:5", "fe80::1"]
)
def test_a_public_name_that_leads_inside_is_not_sent_to(names: Answers, address: str) -> None:
    names("hooks.example.com", [address])

    with pytest.raises(AddressRefused, match=r"hooks\.example\.com is") as caught:
        deliver(guarded("https://hooks.example.com/"), occurrence("reminder"))

    assert "allow=" in str(caught.value)


def test_one_address_inside_spoils_a_name_that_has_others(serve: Serve, names: Answers) -> None:
    server = serve(reply(200))
    names("crm.test", ["127.0.0.1", "10.0.0.5"])

    with pytest.raises(AddressRefused, match=r"10\.0\.0\.5, which is private \(10\.0\.0\.0/8"):
        deliver(
            guarded(f"http://crm.test:{server.port}/", allow=["127.0.0.0/8"]),
            occurrence("reminder"),
        )

    assert server.accepted == 0


def test_a_name_is_asked_once_and_its_second_answer_never_used(
    serve: Serve, names: Answers
) -> None:
    inside = serve(reply(200))
    asked = names("crm.test", ["127.0.0.2"], ["127.0.0.1"])
    # Nobody listens at the address that was checked, on the port where the other one does.
    target = guarded(f"http://crm.test:{inside.port}/", allow=["127.0.0.2/32"])

    with pytest.raises(TargetFailed, match="ConnectionRefusedError"):
        deliver(target, occurrence("reminder"))
    assert (asked, inside.accepted) == (["crm.test"], 0)
    with pytest.raises(AddressRefused, match="which is loopback"):
        deliver(target, occurrence("reminder"))

    assert inside.accepted == 0


def test_the_address_connected_to_is_the_one_that_was_checked(serve: Serve, names: Answers) -> None:
    checked = serve(reply(200), address="127.0.0.2")
    asked = names("crm.test", ["127.0.0.2"], ["10.0.0.5"])

    deliver(
        guarded(f"http://crm.test:{checked.port}/", allow=["127.0.0.2/32"]), occurrence("reminder")
    )

    assert asked == ["crm.test"]
    assert checked.received[0].headers["host"] == f"crm.test:{checked.port}"


def test_a_target_may_allow_a_network_that_is_denied_by_default(serve: Serve) -> None:
    server = serve(reply(200))

    deliver(target_at(server, allow="127.0.0.0/8"), occurrence("reminder"))
    deliver(
        target_at(server, url=f"http://[::ffff:127.0.0.1]:{server.port}/"), occurrence("reminder")
    )

    assert len(server.received) == 2


def test_plain_http_is_for_the_networks_that_a_target_allows(names: Answers) -> None:
    names("crm.test", ["93.184.215.14"])
    target = HttpTarget.from_mapping(
        {"url": "http://crm.test/", "secret": SECRET, "allow": ["10.0.0.0/8"]}
    )

    with pytest.raises(AddressRefused, match="plain http is for these"):
        deliver(target, occurrence("reminder"))
