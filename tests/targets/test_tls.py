"""Targets prove their name, and duly its own where that is asked for."""

from __future__ import annotations

import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from duly.engine.targets.http import deliver
from duly.errors import ConfigurationError, TargetFailed
from duly.testing.occurrences import occurrence
from tests.targets.conftest import Answers, Serve, target_at
from tests.targets.server import ScriptedServer, reply

NAME = "crm.test"


class Authority:
    """An authority of the test, and files of what it vouches for."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.file = str(folder / "ca.pem")
        self._ca.cert_pem.write_to_path(self.file)

    def server(self, name: str = NAME, *, asks: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(name).configure_cert(context)
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            self._ca.configure_trust(context)
        return context

    def client(self, name: str = "duly@example.com") -> str:
        path = str(self._folder / "client.pem")
        self._ca.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(path)
        return path


class Shell:
    """What speaks another protocol than TLS."""

    def wrap_socket(self, sock: socket.socket, server_side: bool) -> ssl.SSLSocket:
        sock.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        raise OSError


@pytest.fixture
def authority(tmp_path: Path, names: Answers) -> Authority:
    names(NAME, ["127.0.0.1"])
    return Authority(tmp_path)


def send(server: ScriptedServer, **fields: Any) -> None:
    url = f"https://{NAME}:{server.port}/hook"
    deliver(target_at(server, url=url, **fields), occurrence("reminder"))


def test_a_target_that_proves_its_name_is_sent_to(serve: Serve, authority: Authority) -> None:
    server = serve(reply(200), context=authority.server())

    for _ in range(2):
        send(server, ca_file=authority.file)

    assert [received.connection for received in server.received] == [1, 1]
    assert server.received[0].headers["host"] == f"{NAME}:{server.port}"


def test_an_authority_that_nobody_trusts_proves_nothing(serve: Serve, authority: Authority) -> None:
    server = serve(reply(200), context=authority.server())

    with pytest.raises(TargetFailed, match="CERTIFICATE_VERIFY_FAILED"):
        send(server)

    assert server.received == []


def test_a_certificate_for_another_name_proves_nothing(serve: Serve, authority: Authority) -> None:
    server = serve(reply(200), context=authority.server("other.test"))

    with pytest.raises(TargetFailed, match=f"Hostname mismatch.*{NAME}"):
        send(server, ca_file=authority.file)

    assert server.received == []


def test_what_does_not_speak_tls_is_told(serve: Serve, authority: Authority) -> None:
    server = serve(reply(200), context=Shell())

    with pytest.raises(TargetFailed, match=r"no whole answer.*SSL"):
        send(server, ca_file=authority.file)


def test_a_handshake_that_does_not_end_ends_by_the_timeout(
    serve: Serve, authority: Authority
) -> None:
    server = serve(lambda answering, received: answering.wait())
    began = time.monotonic()

    with pytest.raises(TargetFailed, match=r"within 0\.2 s"):
        send(server, ca_file=authority.file, timeout=0.2)

    assert time.monotonic() - began < 5


def test_a_drip_under_tls_ends_by_the_timeout(serve: Serve, authority: Authority) -> None:
    server = serve(
        lambda answering, received: answering.drip(b"HTTP/1.1 200 OK\r\n" + b"x" * 9_000),
        context=authority.server(),
    )
    began = time.monotonic()

    with pytest.raises(TargetFailed, match=r"within 0\.5 s"):
        send(server, ca_file=authority.file, timeout=0.5)

    assert time.monotonic() - began < 5


def test_mutual_tls_shows_the_certificate_of_duly(serve: Serve, authority: Authority) -> None:
    server = serve(reply(200), context=authority.server(asks=True))

    send(server, ca_file=authority.file, client_certificate=authority.client())

    assert len(server.received) == 1


def test_a_target_that_asks_for_a_certificate_and_gets_none_fails(
    serve: Serve, authority: Authority
) -> None:
    server = serve(reply(200), context=authority.server(asks=True))

    with pytest.raises(TargetFailed, match="no whole answer"):
        send(server, ca_file=authority.file)

    assert server.received == []


def test_a_renewed_certificate_is_read_without_a_restart(
    serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    server = serve(reply(200), context=authority.server(asks=True))
    stranger = Authority(elsewhere).client()
    with pytest.raises(TargetFailed):
        send(server, ca_file=authority.file, client_certificate=stranger)

    os.replace(authority.client(), stranger)
    os.utime(stranger, (1, 1))
    send(server, ca_file=authority.file, client_certificate=stranger)

    assert len(server.received) == 1


@pytest.mark.parametrize("field", ["ca_file", "client_certificate"])
@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_file_that_cannot_be_used_is_named(
    serve: Serve, authority: Authority, tmp_path: Path, field: str, content: str | None
) -> None:
    server = serve(reply(200), context=authority.server())
    path = tmp_path / "bad.pem"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigurationError, match=rf"{field} '.*bad\.pem' cannot be"):
        send(server, **({"ca_file": authority.file} | {field: str(path)}))
