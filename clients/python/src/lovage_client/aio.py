"""The client for asyncio and trio: `AsyncClient`, the twin of `Client`."""

import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any, ParamSpec, Self, TypeVar, Unpack, overload

import anyio
import httpx

from . import operations
from .aio_handles import AsyncFlow, AsyncJob, AsyncModule, AsyncTask
from .calls import Call, Options, TaskRef, checked
from .errors import ClientClosed
from .events import Follower, Subscription, subscription_to_all
from .pools import AsyncPools
from .records import Event, Fate, FlowRecord, JobRecord, Progress
from .transport import Target, answer_of, is_stream
from .values import Span
from .wire import Answer, Deadline, Lost, Operation, Pause, Request

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class AsyncClient:
    """Callers' side of a Lovage server, for asyncio and trio: as `Client` is, with `await`.
    Each event loop has connections of its own: close it in the one that it was used in.

    `await client.images.thumbnail(image=…)` enqueues a call of `images.thumbnail`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout: Span = 30.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._target = Target.of(url, token, timeout)
        self._pools = AsyncPools(http)
        self._owns_pools = http is None

    def with_timeout(self, timeout: Span) -> Self:
        """The same client, over the same connections, with another `timeout`."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._target = self._target.within(timeout)
        other._owns_pools = False
        return other

    async def close(self) -> None:
        """Closes its connections."""
        if self._owns_pools:
            await self._pools.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __getattr__(self, name: str) -> AsyncModule:
        # Only of names that nothing else has. None of a module begins so.
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no `{name}`")
        return AsyncModule(self, name)

    @overload
    def task(self, task: TaskRef[P, R]) -> AsyncTask[P, R]: ...
    @overload
    def task(self, task: str) -> AsyncTask[..., Any]: ...
    def task(self, task: TaskRef[P, R] | str) -> AsyncTask[P, R] | AsyncTask[..., Any]:
        """A task to call: by its name, or typed, by what `task` declares."""
        if isinstance(task, str):
            untyped: TaskRef[..., Any] = TaskRef(task)
            return AsyncTask(self, untyped)
        return AsyncTask(self, task)

    @overload
    async def enqueue(self, call: Call[R], /, **options: Unpack[Options]) -> AsyncJob[R]: ...
    @overload
    async def enqueue(
        self, task: str, args: Mapping[str, Any] | None = None, /, **options: Unpack[Options]
    ) -> AsyncJob[Any]: ...
    async def enqueue(
        self,
        call: Call[Any] | str,
        args: Mapping[str, Any] | None = None,
        /,
        **options: Unpack[Options],
    ) -> AsyncJob[Any]:
        """Makes a job of a call, or of a task's name and its arguments."""
        if isinstance(call, str):
            call = Call(call, args, **options)
        else:
            call = checked(call).with_options(**options)
        id = await self._do(operations.enqueue(call, self._target.timeout))
        return AsyncJob(self, id)

    async def enqueue_many(
        self, calls: Iterable[Call[R]], *, key: str | None = None
    ) -> list[AsyncJob[R]]:
        """Makes jobs of calls. Up to 1,000 of them (and 8 MiB) are one request, and all of
        these become jobs or none; of more, an error's `enqueued` has the jobs of the
        requests before. `key` makes the n-th call's key `KEY/n` where it has none."""
        ids = await self._do(operations.enqueue_many(calls, key, self._target.timeout))
        return [AsyncJob(self, id) for id in ids]

    async def job(self, id: str) -> JobRecord:
        """All that is known of a job, with its attempts."""
        return await self._do(operations.job(id, self._target.timeout))

    async def jobs(
        self,
        *,
        state: str | None = None,
        queue: str | None = None,
        task: str | None = None,
        reason: str | None = None,
        tag: str | None = None,
        limit: int = 50,
    ) -> list[JobRecord]:
        """Jobs, without their logs; `task` may be a module's name. More than 200 of them
        have to be of one state."""
        filters = {"state": state, "queue": queue, "task": task, "reason": reason, "tag": tag}
        return await self._do(operations.jobs(filters, limit, self._target.timeout))

    async def wait(self, id: str, timeout: Span | None = 60.0) -> JobRecord:
        """Waits until a job has ended, however it did. `None` waits for ever."""
        return await self._do(operations.wait(id, Deadline(timeout), self._target.timeout))

    async def result(self, id: str, timeout: Span | None = 60.0) -> Any:
        """Waits for a job's result; raises `JobFailed` or `JobCancelled` where there is
        none."""
        return await self._do(operations.result(id, Deadline(timeout), self._target.timeout))

    async def input(self, id: str) -> Any:
        """A job's arguments, exactly."""
        return await self._do(operations.value(id, "input", self._target.timeout))

    async def log(self, id: str) -> str:
        """What a job's running attempt has written so far, or its last one."""
        return str(await self._do(operations.value(id, "log", self._target.timeout)))

    async def cancel(self, id: str) -> Fate:
        """Cancels a job that waits; asks one that runs to stop."""
        return await self._do(operations.change(id, "cancel", self._target.timeout))

    async def requeue(self, id: str) -> Fate:
        """Makes a discarded or cancelled job available again. It is asked for once: after a
        lost answer, look how the job stands."""
        return await self._do(operations.change(id, "requeue", self._target.timeout))

    async def progress(
        self, id: str, timeout: Span | None = 60.0
    ) -> AsyncGenerator[Progress, None]:
        """How far a job is, whenever that changes, until it has ended."""
        follower = Follower(id, timeout, self._target.timeout)
        async with aclosing(self._listen(follower.subscription)) as told:
            async for progress in told:
                yield progress
                if progress.ended:
                    return
        raise follower.late()

    def events(
        self,
        *,
        queue: str | None = None,
        task: str | None = None,
        job: str | None = None,
        after: str | None = None,
        timeout: Span | None = None,
    ) -> AsyncGenerator[Event, None]:
        """What happens from now on, or behind the event with the id `after`; for so
        long, or without end."""
        params = {"queue": queue, "task": task, "job": job, "after": after}
        return self._listen(subscription_to_all(params, timeout, self._target.timeout))

    async def run_flow(self, flow: Mapping[str, Any], *, key: str | None = None) -> AsyncFlow:
        """Runs a flow, as a flow's file has it. Bytes in it are sent as Base64. With an
        idempotency key there is one flow, however often this is asked for."""
        operation = operations.run_flow(flow, key, self._target.timeout)
        return AsyncFlow(self, await self._do(operation))

    async def flow(self, id: str) -> FlowRecord:
        """A flow with its steps."""
        return await self._do(operations.flow(id, self._target.timeout))

    async def wait_flow(self, id: str, timeout: Span | None = 60.0) -> FlowRecord:
        """Waits until a flow has ended, however it did."""
        return await self._do(operations.wait_flow(id, Deadline(timeout), self._target.timeout))

    async def flow_result(
        self, id: str, *, node: str | None = None, timeout: Span | None = 60.0
    ) -> Any:
        """Waits for a flow's result; raises `FlowFailed` where there is none. With `node`,
        the result of the step at this path, which must have completed."""
        deadline, patience = Deadline(timeout), self._target.timeout
        return await self._do(operations.flow_result(id, node, deadline, patience))

    async def cancel_flow(self, id: str) -> bool:
        """Cancels what has not ended of a flow; whether there was something to do."""
        return await self._do(operations.change_flow(id, "cancel", self._target.timeout))

    async def retry_flow(self, id: str) -> bool:
        """Runs again what failed of a flow; whether there was something to do."""
        return await self._do(operations.change_flow(id, "retry", self._target.timeout))

    async def _do(self, operation: Operation[T]) -> T:
        outcome: Answer | Lost | None = None
        try:
            step = next(operation)
            while True:
                if isinstance(step, Pause):
                    await anyio.sleep(step.seconds)
                    outcome = None
                else:
                    outcome = await self._send(step)
                step = operation.send(outcome)
        except StopIteration as done:
            value: T = done.value
            return value

    async def _send(self, request: Request) -> Answer | Lost:
        pool, begun = self._pools.here(), time.monotonic()
        gate = pool.gate(request)
        with anyio.move_on_after(request.silence) as turn:
            await gate.acquire()
        if turn.cancelled_caught:
            return self._target.busy(request)
        try:
            if self._pools.is_closed:
                return self._target.closed()
            left = request.after(time.monotonic() - begun)
            return answer_of(await pool.http.request(**self._target.arguments(left)))
        except httpx.RequestError as e:
            return self._target.lost(e)
        finally:
            gate.release()

    async def _listen(self, subscription: Subscription[T]) -> AsyncGenerator[T, None]:
        while not subscription.is_over():
            http = self._pools.here().http
            if self._pools.is_closed:
                raise ClientClosed
            request, headers = subscription.request()
            ended: Answer | Lost | None = None
            stream = http.stream(**self._target.arguments(request, headers))
            try:
                async with stream as response:
                    if not is_stream(response):
                        await response.aread()
                        ended = answer_of(response)
                    else:
                        chunks = response.aiter_raw()
                        while not subscription.is_over():
                            chunk = None
                            with anyio.move_on_after(subscription.left()):
                                chunk = await anext(chunks, None)
                            if chunk is None:
                                break
                            for one in subscription.feed(chunk):
                                yield one
            except httpx.RequestError as e:
                ended = self._target.lost(e)
            if not subscription.is_over():
                await anyio.sleep(subscription.pause(ended))
