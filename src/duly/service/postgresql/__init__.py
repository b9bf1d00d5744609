"""Django's backend for PostgreSQL, whose health check costs a busy service no round trip."""
