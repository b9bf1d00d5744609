"""`duly bench`: the five promises, measured on the user's own database and machine."""
