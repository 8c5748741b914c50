"""One way to test both clients: the asynchronous one made to look as if it blocked."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

from lovage_client import AsyncClient, Client


class Blocking:
    """Anything of the asynchronous client: what is awaitable is awaited, what iterates
    asynchronously iterates, and what comes of it looks the same."""

    def __init__(self, inner: Any, runner: "asyncio.Runner") -> None:
        self._inner = inner
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        return self._plain(getattr(self._inner, name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._plain(self._inner(*args, **kwargs))

    def _plain(self, value: Any) -> Any:
        if inspect.iscoroutine(value):
            value = self._runner.run(value)
        if isinstance(value, list):
            return [self._plain(it) for it in value]
        if hasattr(value, "__aiter__"):
            return self._iterate(value)
        is_ours = type(value).__module__.startswith("lovage_client.aio")
        return Blocking(value, self._runner) if callable(value) or is_ours else value

    def _iterate(self, values: Any) -> Iterator[Any]:
        async def following() -> Any:
            return await anext(values, self)

        try:
            while (value := self._runner.run(following())) is not self:
                yield value
        finally:
            self._runner.run(values.aclose())


def blocking_clients(kind: str, url: str, timeout: float) -> Iterator[Any]:
    """A client of a kind, `sync` or `async`, which is closed behind the test."""
    if kind == "sync":
        with Client(url, timeout=timeout) as client:
            yield client
        return
    with asyncio.Runner() as runner:
        inner = AsyncClient(url, timeout=timeout)
        yield Blocking(inner, runner)
        runner.run(inner.close())
