"""The client of the service, for programs without Django: `Client`, and `AsyncClient`."""
