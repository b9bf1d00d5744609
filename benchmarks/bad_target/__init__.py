"""A target that is down beside one that is well; see `__main__`."""
