"""Civil time: pure, with no I/O but the reading of time zone data."""
