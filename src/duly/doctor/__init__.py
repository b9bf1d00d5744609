"""The doctor: looks at everything that may be wrong, and says what to do about it."""
