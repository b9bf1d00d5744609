"""Where attempts run: each executor has a number of slots and tells when one ends."""
