"""The connections of a client: each process has its own, and each event loop.

A forked child has its parent's sockets, and whoever of both reads first takes the other's
answer. So a child makes new ones, and neither uses nor closes those that it was left: over
TLS that would say goodbye in the parent's name. Nothing here takes a lock, which another
thread of the parent may have held at the fork.
"""

import asyncio
import importlib
import os
from dataclasses import dataclass
from threading import Semaphore
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import anyio
import httpx

from .errors import ClientClosed, ClientForked
from .transport import LIMITS, REQUESTS, WAITS
from .wire import Request

H = TypeVar("H", httpx.Client, httpx.AsyncClient)
G = TypeVar("G", Semaphore, anyio.Semaphore)


@dataclass(frozen=True, slots=True)
class Pool(Generic[H, G]):
    """An httpx client, and the gates before it."""

    http: H
    requests: G
    waits: G

    def gate(self, request: Request) -> G:
        """Where a request takes its turn."""
        return self.waits if request.waits else self.requests


class _Pools(Generic[H]):
    """The pools of a client, and of those that its `with_timeout` makes."""

    def __init__(self, given: H | None) -> None:
        self._given: H | None = given
        self._process = os.getpid()
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether there are no connections any more."""
        return self._closed or (self._given is not None and self._given.is_closed)

    def _may_make(self) -> None:
        if self._given is not None and self._process != os.getpid():
            raise ClientForked
        if self.is_closed:
            raise ClientClosed


class Pools(_Pools[httpx.Client]):
    """Of a `Client`."""

    def __init__(self, given: httpx.Client | None) -> None:
        super().__init__(given)
        # Made at once: what is wrong with the environment is told where the client is made.
        self._made = {os.getpid(): self._new()}

    def here(self) -> Pool[httpx.Client, Semaphore]:
        """This process's."""
        pool = self._made.get(os.getpid())
        if pool is None:
            self._may_make()
            pool = self._made.setdefault(os.getpid(), self._new())
        return pool

    def _new(self) -> Pool[httpx.Client, Semaphore]:
        http = self._given or httpx.Client(limits=LIMITS)
        return Pool(http, Semaphore(REQUESTS), Semaphore(WAITS))

    def close(self) -> None:
        """Closes this process's connections."""
        self._closed = True
        pool = self._made.get(os.getpid())
        if pool is not None:
            pool.http.close()


AsyncPool = Pool[httpx.AsyncClient, anyio.Semaphore]
_ByLoop = WeakKeyDictionary[Any, AsyncPool]


class AsyncPools(_Pools[httpx.AsyncClient]):
    """Of an `AsyncClient`."""

    def __init__(self, given: httpx.AsyncClient | None) -> None:
        super().__init__(given)
        self._made: dict[int, _ByLoop] = {}

    def here(self) -> AsyncPool:
        """This process's and this event loop's."""
        made, loop = self._of_process(), _running()
        pool = made.get(loop)
        if pool is None:
            self._may_make()
            _drop_ended(made)
            http = self._given or httpx.AsyncClient(limits=LIMITS)
            pool = made[loop] = Pool(http, anyio.Semaphore(REQUESTS), anyio.Semaphore(WAITS))
        return pool

    def _of_process(self) -> _ByLoop:
        return self._made.setdefault(os.getpid(), WeakKeyDictionary())

    async def close(self) -> None:
        """Closes this process's and this loop's connections, and lets the others go."""
        self._closed = True
        pool = self._of_process().get(_running())
        if pool is not None:
            await pool.http.aclose()


def _running() -> Any:
    """What runs here: a loop of asyncio's, or a run of trio's."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return importlib.import_module("trio").lowlevel.current_trio_token()


def _drop_ended(made: _ByLoop) -> None:
    # A connection keeps its loop, and so would be kept for ever. An ended loop can close none:
    # they close once nobody knows them. Another thread, with its own loop, may be here as well.
    for ref in made.keyrefs():
        loop = ref()
        if isinstance(loop, asyncio.AbstractEventLoop) and loop.is_closed():
            made.pop(loop, None)
