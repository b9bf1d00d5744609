"""The REST interface, for whoever schedules from elsewhere."""
