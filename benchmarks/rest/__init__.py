"""Scheduling over REST, and what that costs those who are due; see `__main__`."""
