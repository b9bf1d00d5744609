"""The command line: `duly <verb>`, and `manage.py duly <verb>`, which is the same."""
