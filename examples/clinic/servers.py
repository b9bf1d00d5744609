#!/usr/bin/env python
"""PostgreSQL and Redis to try the full stack with, until Ctrl-C; what is in them is lost then."""

import signal

from duly.testing.servers import PostgresServer, RedisServer

if __name__ == "__main__":
    with PostgresServer() as postgres, RedisServer() as redis:
        print(f"export CLINIC_STACK=full DATABASE_URL={postgres.url} REDIS_URL={redis.url}")
        print("# Say that in each of your terminals.", flush=True)
        signal.sigwait([signal.SIGINT, signal.SIGTERM])
