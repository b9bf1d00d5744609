"""The client of the service, for coroutines."""

from __future__ import annotations
