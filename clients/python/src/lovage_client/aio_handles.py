"""What `AsyncClient` hands out: the twins of what is in `handles`."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack

from .calls import Call, Options, TaskRef
from .records import Fate, FlowRecord, JobRecord, Progress
from .values import Span, limit

if TYPE_CHECKING:
    from .aio import AsyncClient

P = ParamSpec("P")
R = TypeVar("R")


class AsyncJob(Generic[R]):
    """A job, whose result is an `R`. `AsyncJob(client, id)` is one that is known by its id."""

    def __init__(self, client: "AsyncClient", id: str) -> None:
        self._client = client
        self.id = id

    async def result(self, timeout: Span | None = 60.0) -> R:
        """Waits for its result; raises `JobFailed` or `JobCancelled` where there is none, and
        `WaitTimeout` where it takes longer. `None` waits for ever."""
        value: R = await self._client.result(self.id, timeout)
        return value

    async def wait(self, timeout: Span | None = 60.0) -> JobRecord:
        """Waits until it has ended, however it did."""
        return await self._client.wait(self.id, timeout)

    async def record(self) -> JobRecord:
        """All that is known of it now, with its attempts."""
        return await self._client.job(self.id)

    def progress(self, timeout: Span | None = 60.0) -> AsyncGenerator[Progress, None]:
        """How far it is, whenever that changes, until it has ended."""
        return self._client.progress(self.id, timeout)

    async def cancel(self) -> Fate:
        """Cancels it where it waits; asks it to stop where it runs."""
        return await self._client.cancel(self.id)

    async def requeue(self) -> Fate:
        """Makes it available again where it was discarded or cancelled."""
        return await self._client.requeue(self.id)

    async def log(self) -> str:
        """What its running attempt has written so far, or its last one."""
        return await self._client.log(self.id)

    def __repr__(self) -> str:
        return f"AsyncJob({self.id!r})"


class AsyncFlow:
    """A flow that runs. `AsyncFlow(client, id)` is one that is known by its id."""

    def __init__(self, client: "AsyncClient", id: str) -> None:
        self._client = client
        self.id = id

    async def result(self, *, node: str | None = None, timeout: Span | None = 60.0) -> Any:
        """Waits for its result, or takes that of the step at the path `node`."""
        return await self._client.flow_result(self.id, node=node, timeout=timeout)

    async def wait(self, timeout: Span | None = 60.0) -> FlowRecord:
        """Waits until it has ended, however it did."""
        return await self._client.wait_flow(self.id, timeout)

    async def record(self) -> FlowRecord:
        """How it and its steps stand now."""
        return await self._client.flow(self.id)

    async def cancel(self) -> bool:
        """Cancels what has not ended of it; whether there was something to do."""
        return await self._client.cancel_flow(self.id)

    async def retry(self) -> bool:
        """Runs again what failed of it; whether there was something to do."""
        return await self._client.retry_flow(self.id)

    def __repr__(self) -> str:
        return f"AsyncFlow({self.id!r})"


class AsyncTask(Generic[P, R]):
    """A task that is called as a function is, and then is a job."""

    def __init__(
        self, client: "AsyncClient", ref: TaskRef[P, R], options: Options | None = None
    ) -> None:
        self._client = client
        self._ref = ref
        self._options: Options = options or {}

    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> AsyncJob[R]:
        """Enqueues a call with these arguments, which go by name."""
        return await self._client.enqueue(self.call(*args, **kwargs))

    async def within(self, timeout: Span | None, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Enqueues a call, and waits so long for its result."""
        # A wrong one is told before there is a job.
        seconds = limit(timeout)
        job = await self(*args, **kwargs)
        return await job.result(seconds)

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """A call with these arguments, for `enqueue_many`. It enqueues nothing."""
        return self._ref(*args, **kwargs).with_options(**self._options)

    def with_options(self, **options: Unpack[Options]) -> "AsyncTask[P, R]":
        """The same task, whose calls have these options."""
        merged: Options = {**self._options, **options}
        return AsyncTask(self._client, self._ref, merged)

    def __repr__(self) -> str:
        return f"AsyncTask({self._ref.name!r})"


class AsyncModule:
    """A module, whose tasks are its attributes."""

    def __init__(self, client: "AsyncClient", name: str) -> None:
        self._client = client
        self._name = name

    def __getattr__(self, name: str) -> AsyncTask[..., Any]:
        if name.startswith("_"):
            raise AttributeError(f"no task of a module is named `{name}`")
        return self._client.task(f"{self._name}.{name}")

    def __repr__(self) -> str:
        return f"AsyncModule({self._name!r})"
