"""What ends one measurement, and not the run."""

from __future__ import annotations


class PeerFailed(RuntimeError):
    """A contender that did not do its work in time; the message holds the end of its log."""
