"""Targets: where an occurrence is delivered, other than a handler."""
