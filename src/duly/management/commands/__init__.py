"""One command, `duly`, with a verb for each thing to do."""
