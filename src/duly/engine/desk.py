"""Desk: what many threads ask of the store is done on few, which keep their connections."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from django.db import connections

from duly.store.statements import own_connections

_T = TypeVar("_T")


class Desk:
    """Some daemon threads, each begun once none of the others is free.

    `concurrent.futures` would say nothing of a thread's end, at which its connections are closed.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]
        self._work = queue.SimpleQueue()

    def ask(self, call: Callable[[], _T]) -> Future[_T]:
        """Let one of the threads call it."""
        answer: Future[_T] = Future()
        self._work.put((call, answer))
        if not self._idle.acquire(blocking=False):
            self._begin()
        return answer

    def stop(self, timeout: float) -> None:
        """End the threads once they have done what was asked before."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(timeout)

    def _begin(self) -> None:
        with self._lock:
            if len(self._threads) < self._most:
                thread = threading.Thread(target=self._run, name="duly-desk", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _run(self) -> None:
        own_connections()
        try:
            while (asked := self._work.get()) is not None:
                call, answer = asked
                try:
                    answer.set_result(call())
                except BaseException as error:
                    answer.set_exception(error)
                finally:
                    self._idle.release()
        finally:
            connections.close_all()
