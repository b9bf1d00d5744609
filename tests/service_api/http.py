"""Plain requests: whatever bytes a test wants to send, and whatever comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

SECONDS = 30.0


@dataclass(frozen=True)
class Reply:
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self) -> dict[str, Any]:
        """Give the problem body that a refusal must be."""
        assert self.headers["content-type"].startswith("application/problem+json"), self
        found = self.json()
        assert found["status"] == self.status
        assert {"type", "title", "detail"} <= found.keys()
        return dict(found)


_pool = urllib3.PoolManager(retries=False, timeout=SECONDS, maxsize=32)


def ask(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Reply:
    """Make one request, once; of a stream, which has no end, only how it begins is looked at."""
    answer = _pool.request(
        method, url, body=body, headers=dict(headers or {}), redirect=False, preload_content=False
    )
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        answer.close()
        return Reply(answer.status, answer.headers, b"")
    text = answer.read()
    answer.release_conn()
    return Reply(answer.status, answer.headers, text)


def ask_json(
    method: str, url: str, headers: Mapping[str, str], data: Any, kind: str = "application/json"
) -> Reply:
    """Make one request with a JSON body."""
    return ask(method, url, {**headers, "Content-Type": kind}, json.dumps(data).encode())
