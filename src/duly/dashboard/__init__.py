"""One page on how it goes: what is due, late, running and dead, what was, and what is to come."""
