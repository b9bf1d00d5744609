"""What is encrypted is not to be seen in spans either."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duly
from duly import Retry
from tests.engine.conftest import Signals
from tests.exporters.conftest import spans as spans
from tests.exporters.spans import Spans
from tests.payloads.test_delivery import SECRET, fail, fail_in_a_batch, is_in, now

Start = Callable[..., Any]
Handle = Callable[..., None]


def test_no_span_tells_what_an_error_says_of_an_encrypted_payload(
    encrypt: Any, start_engine: Start, handle: Handle, signals: Signals, spans: Spans
) -> None:
    encrypt("KEY_1")
    handle("call", fail, retry=Retry(attempts=1))
    handle("index", fail_in_a_batch, batch=2, within=60, retry=Retry(attempts=1))
    for event_type in ("call", "index", "index"):
        duly.schedule_event(event_type, now(), service="crm", payload=SECRET)
    start_engine()
    spans.one("duly attempt call")
    spans.one("duly attempt index")

    told = "".join(span.to_json() for span in spans.exporter.get_finished_spans())

    assert "ValueError: cannot call" in told
    assert not is_in(told)
