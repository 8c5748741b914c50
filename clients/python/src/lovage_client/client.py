"""The client that blocks: `Client`. `aio` has the same for asyncio and trio."""

import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from typing import Any, ParamSpec, Self, TypeVar, Unpack, overload

import httpx

from . import operations
from .calls import Call, Options, TaskRef, checked
from .errors import ClientClosed
from .events import Follower, Subscription, subscription_to_all
from .handles import Flow, Job, Module, Task
from .pools import Pools
from .records import Event, Fate, FlowRecord, JobRecord, Progress
from .transport import Target, answer_of, hung_up_after, is_stream
from .values import Span
from .wire import Answer, Deadline, Lost, Operation, Pause, Request

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Client:
    """Callers' side of a Lovage server.

    `client.images.thumbnail(image=…)` enqueues a call of the task `images.thumbnail`. Where
    a module has the name of a method of this class: `client.task("jobs.clean")`.

    It may be used from many threads, and holds connections: close it, or use it in `with`.
    After a fork each process has connections of its own. `timeout` bounds each operation,
    repeats included (of `enqueue_many` and `jobs` each of its requests), and not the waiting
    for jobs, which takes a timeout of its own. Each is a span: seconds, a `timedelta`, or a
    text such as `"30s"`. `http` is an httpx client to use instead of an own one, in the
    process that made it.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout: Span = 30.0,
        http: httpx.Client | None = None,
    ) -> None:
        self._target = Target.of(url, token, timeout)
        self._pools = Pools(http)
        self._owns_pools = http is None

    def with_timeout(self, timeout: Span) -> Self:
        """The same client, over the same connections, with another `timeout`."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._target = self._target.within(timeout)
        other._owns_pools = False
        return other

    def close(self) -> None:
        """Closes its connections."""
        if self._owns_pools:
            self._pools.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Module:
        # Only of names that nothing else has. None of a module begins so.
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no `{name}`")
        return Module(self, name)

    @overload
    def task(self, task: TaskRef[P, R]) -> Task[P, R]: ...
    @overload
    def task(self, task: str) -> Task[..., Any]: ...
    def task(self, task: TaskRef[P, R] | str) -> Task[P, R] | Task[..., Any]:
        """A task to call: by its name, or typed, by what `task` declares."""
        if isinstance(task, str):
            untyped: TaskRef[..., Any] = TaskRef(task)
            return Task(self, untyped)
        return Task(self, task)

    @overload
    def enqueue(self, call: Call[R], /, **options: Unpack[Options]) -> Job[R]: ...
    @overload
    def enqueue(
        self, task: str, args: Mapping[str, Any] | None = None, /, **options: Unpack[Options]
    ) -> Job[Any]: ...
    def enqueue(
        self,
        call: Call[Any] | str,
        args: Mapping[str, Any] | None = None,
        /,
        **options: Unpack[Options],
    ) -> Job[Any]:
        """Makes a job of a call, or of a task's name and its arguments."""
        if isinstance(call, str):
            call = Call(call, args, **options)
        else:
            call = checked(call).with_options(**options)
        id = self._do(operations.enqueue(call, self._target.timeout))
        return Job(self, id)

    def enqueue_many(self, calls: Iterable[Call[R]], *, key: str | None = None) -> list[Job[R]]:
        """Makes jobs of calls. Up to 1,000 of them (and 8 MiB) are one request, and all of
        these become jobs or none; of more, an error's `enqueued` has the jobs of the
        requests before. `key` makes the n-th call's key `KEY/n` where it has none."""
        ids = self._do(operations.enqueue_many(calls, key, self._target.timeout))
        return [Job(self, id) for id in ids]

    def job(self, id: str) -> JobRecord:
        """All that is known of a job, with its attempts."""
        return self._do(operations.job(id, self._target.timeout))

    def jobs(
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
        return self._do(operations.jobs(filters, limit, self._target.timeout))

    def wait(self, id: str, timeout: Span | None = 60.0) -> JobRecord:
        """Waits until a job has ended, however it did. `None` waits for ever."""
        return self._do(operations.wait(id, Deadline(timeout), self._target.timeout))

    def result(self, id: str, timeout: Span | None = 60.0) -> Any:
        """Waits for a job's result; raises `JobFailed` or `JobCancelled` where there is
        none."""
        return self._do(operations.result(id, Deadline(timeout), self._target.timeout))

    def input(self, id: str) -> Any:
        """A job's arguments, exactly."""
        return self._do(operations.value(id, "input", self._target.timeout))

    def log(self, id: str) -> str:
        """What a job's running attempt has written so far, or its last one."""
        return str(self._do(operations.value(id, "log", self._target.timeout)))

    def cancel(self, id: str) -> Fate:
        """Cancels a job that waits; asks one that runs to stop."""
        return self._do(operations.change(id, "cancel", self._target.timeout))

    def requeue(self, id: str) -> Fate:
        """Makes a discarded or cancelled job available again. It is asked for once: after a
        lost answer, look how the job stands."""
        return self._do(operations.change(id, "requeue", self._target.timeout))

    def progress(self, id: str, timeout: Span | None = 60.0) -> Generator[Progress, None, None]:
        """How far a job is, whenever that changes, until it has ended."""
        follower = Follower(id, timeout, self._target.timeout)
        with closing(self._listen(follower.subscription)) as told:
            for progress in told:
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
    ) -> Generator[Event, None, None]:
        """What happens from now on, or behind the event with the id `after`; for so
        long, or without end."""
        params = {"queue": queue, "task": task, "job": job, "after": after}
        return self._listen(subscription_to_all(params, timeout, self._target.timeout))

    def run_flow(self, flow: Mapping[str, Any], *, key: str | None = None) -> Flow:
        """Runs a flow, as a flow's file has it. Bytes in it are sent as Base64. With an
        idempotency key there is one flow, however often this is asked for."""
        operation = operations.run_flow(flow, key, self._target.timeout)
        return Flow(self, self._do(operation))

    def flow(self, id: str) -> FlowRecord:
        """A flow with its steps."""
        return self._do(operations.flow(id, self._target.timeout))

    def wait_flow(self, id: str, timeout: Span | None = 60.0) -> FlowRecord:
        """Waits until a flow has ended, however it did."""
        return self._do(operations.wait_flow(id, Deadline(timeout), self._target.timeout))

    def flow_result(
        self, id: str, *, node: str | None = None, timeout: Span | None = 60.0
    ) -> Any:
        """Waits for a flow's result; raises `FlowFailed` where there is none. With `node`,
        the result of the step at this path, which must have completed."""
        deadline, patience = Deadline(timeout), self._target.timeout
        return self._do(operations.flow_result(id, node, deadline, patience))

    def cancel_flow(self, id: str) -> bool:
        """Cancels what has not ended of a flow; whether there was something to do."""
        return self._do(operations.change_flow(id, "cancel", self._target.timeout))

    def retry_flow(self, id: str) -> bool:
        """Runs again what failed of a flow; whether there was something to do."""
        return self._do(operations.change_flow(id, "retry", self._target.timeout))

    def _do(self, operation: Operation[T]) -> T:
        outcome: Answer | Lost | None = None
        try:
            step = next(operation)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    outcome = None
                else:
                    outcome = self._send(step)
                step = operation.send(outcome)
        except StopIteration as done:
            value: T = done.value
            return value

    def _send(self, request: Request) -> Answer | Lost:
        pool, begun = self._pools.here(), time.monotonic()
        gate = pool.gate(request)
        if not gate.acquire(timeout=request.silence):
            return self._target.busy(request)
        try:
            if self._pools.is_closed:
                return self._target.closed()
            left = request.after(time.monotonic() - begun)
            return answer_of(pool.http.request(**self._target.arguments(left)))
        except httpx.RequestError as e:
            return self._target.lost(e)
        finally:
            gate.release()

    def _listen(self, subscription: Subscription[T]) -> Generator[T, None, None]:
        while not subscription.is_over():
            http = self._pools.here().http
            if self._pools.is_closed:
                raise ClientClosed
            request, headers = subscription.request()
            ended: Answer | Lost | None = None
            try:
                with http.stream(**self._target.arguments(request, headers)) as response:
                    if not is_stream(response):
                        response.read()
                        ended = answer_of(response)
                    else:
                        with hung_up_after(response, subscription.left()):
                            for chunk in response.iter_raw():
                                yield from subscription.feed(chunk)
                                if subscription.is_over():
                                    return
            except httpx.RequestError as e:
                ended = self._target.lost(e)
            if not subscription.is_over():
                time.sleep(subscription.pause(ended))
