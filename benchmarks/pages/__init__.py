"""How long pages take with a million of everything; see `__main__`."""
