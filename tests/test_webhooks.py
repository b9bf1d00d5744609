"""Signatures of the Standard Webhooks specification, made and verified."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from duly.errors import ConfigurationError, InvalidPayload, InvalidSignature
from duly.webhooks import key_of, new_secret, sign, verify

# The vector of the specification's own libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SENT = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
NOW = datetime.fromtimestamp(SENT, UTC)


def headers(**other: str) -> dict[str, str]:
    known = {"id": ID, "timestamp": str(SENT), "signature": SIGNATURE}
    return {f"webhook-{name}": value for name, value in (known | other).items()}


def test_the_vector_of_the_specification_is_signed_and_verified() -> None:
    assert sign(SECRET, ID, SENT, BODY) == SIGNATURE
    assert verify(BODY, headers(), SECRET, now=NOW) == {"test": 2432232314}


def test_the_prefix_and_the_padding_of_a_secret_say_nothing() -> None:
    secret = new_secret()

    assert key_of(secret) == key_of(secret.removeprefix("whsec_")) == key_of(secret.rstrip("="))
    assert len(key_of(secret)) == 32
    assert new_secret() != secret


@given(
    st.binary(min_size=24, max_size=64),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
)
def test_an_implementation_that_is_not_ours_agrees_both_ways(key: bytes, text: str) -> None:
    secret = "whsec_" + b64encode(key).decode()
    theirs = standardwebhooks.Webhook(secret)
    body = json.dumps({"text": text}, ensure_ascii=False)
    now = datetime.now(UTC)
    sent = int(now.timestamp())

    ours = sign(secret, "id", sent, body.encode())
    assert theirs.sign("id", now, body) == ours
    made = {"webhook-id": "id", "webhook-timestamp": str(sent), "webhook-signature": ours}
    assert theirs.verify(body, made) == verify(body.encode(), made, secret) == {"text": text}


def test_headers_count_in_any_case_and_body_as_it_came() -> None:
    shouting = {name.upper(): value for name, value in headers().items()}

    assert verify(BODY, shouting, SECRET, now=NOW)
    with pytest.raises(InvalidSignature, match="no signature matches"):
        verify(
            json.dumps(json.loads(BODY), separators=(",", ":")).encode(), headers(), SECRET, now=NOW
        )


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"id": ID + "x"}, id="id"),
        pytest.param({"timestamp": str(SENT + 1)}, id="timestamp"),
        pytest.param({"signature": SIGNATURE[:-2] + "A="}, id="signature"),
        pytest.param({"signature": SIGNATURE.replace("v1,", "v1a,")}, id="other-version"),
        pytest.param({"signature": SIGNATURE.replace("v1,", "v2,")}, id="later-version"),
        pytest.param({"signature": "v1,"}, id="empty"),
        pytest.param({"signature": "v1"}, id="no-comma"),
        pytest.param({"signature": "v1,é"}, id="not-ascii"),
        pytest.param({"signature": SIGNATURE[:-1]}, id="unpadded"),
        pytest.param({"signature": SIGNATURE.replace("v1,", "")}, id="no-version"),
    ],
)
def test_what_was_changed_on_its_way_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(InvalidSignature, match="no signature matches"):
        verify(BODY, headers(**changed), SECRET, now=NOW)


@pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
def test_a_request_without_its_headers_is_no_webhook(name: str) -> None:
    with pytest.raises(InvalidSignature, match=f"no header 'webhook-{name}'"):
        verify(BODY, headers(**{name: ""}), SECRET, now=NOW)


@pytest.mark.parametrize("timestamp", ["now", "-1", "1.5", "1e9", " 1614265330", "١٦", "9" * 13])
def test_a_timestamp_is_whole_seconds(timestamp: str) -> None:
    with pytest.raises(InvalidSignature, match="whole seconds"):
        verify(BODY, headers(timestamp=timestamp), SECRET, now=NOW)


@pytest.mark.parametrize(
    ("minutes", "message"), [(6, "360 s old"), (-6, "360 s ahead of this host's clock")]
)
def test_a_request_repeated_later_is_refused(minutes: int, message: str) -> None:
    with pytest.raises(InvalidSignature, match=message):
        verify(BODY, headers(), SECRET, now=NOW + timedelta(minutes=minutes))


def test_the_tolerance_is_the_receivers_to_choose() -> None:
    late = NOW + timedelta(minutes=5)

    assert verify(BODY, headers(), SECRET, now=late)
    assert verify(
        BODY, headers(), SECRET, now=NOW + timedelta(hours=1), tolerance=timedelta(hours=2)
    )
    with pytest.raises(InvalidSignature):
        verify(BODY, headers(), SECRET, now=late, tolerance=timedelta(minutes=1))


def test_the_hosts_clock_is_read_where_no_time_is_given() -> None:
    with pytest.raises(InvalidSignature, match="s old"):
        verify(BODY, headers(), SECRET)


def test_during_a_rotation_either_side_may_be_first() -> None:
    new, old = new_secret(), new_secret()
    both = headers(signature=" ".join(sign(key, ID, SENT, BODY) for key in (new, old)))
    only_old = headers(signature=sign(old, ID, SENT, BODY))

    assert verify(BODY, both, old, now=NOW)
    assert verify(BODY, both, new, now=NOW)
    assert verify(BODY, only_old, [new, old], now=NOW)
    with pytest.raises(InvalidSignature):
        verify(BODY, only_old, [new], now=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64", "whsec_YQ==", "a" * 200, "é"])
def test_a_secret_that_cannot_work_is_told_and_not_repeated(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="a webhook secret") as caught:
        verify(BODY, headers(), secret, now=NOW)

    assert secret.removeprefix("whsec_") in ("", "é") or secret not in str(caught.value)


def test_no_secret_at_all_verifies_nothing() -> None:
    with pytest.raises(ConfigurationError, match="at least one"):
        verify(BODY, headers(), [], now=NOW)


@pytest.mark.parametrize("message_id", ["", "a.b"])
def test_an_id_that_would_blur_what_is_signed_is_refused(message_id: str) -> None:
    with pytest.raises(ConfigurationError, match="full stop"):
        sign(SECRET, message_id, SENT, BODY)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_signed_body_that_is_not_json_is_told_apart(body: bytes) -> None:
    signed: dict[str, Any] = headers(signature=sign(SECRET, ID, SENT, body))

    with pytest.raises(InvalidPayload, match="not JSON"):
        verify(body, signed, SECRET, now=NOW)


def test_a_receiver_needs_no_django() -> None:
    program = (
        "import sys; sys.modules['django'] = None; import duly.webhooks as w; "
        "s = w.new_secret(); print(w.sign(s, 'id', 1, b'{}'))"
    )

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert ended.stdout.startswith(b"v1,")
