"""Pure decisions, one file each: no Django, no clock, no I/O."""
