"""What tests of projects that use duly can lean on: real servers that need nobody's help."""
