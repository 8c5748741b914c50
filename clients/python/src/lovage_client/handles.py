"""What `Client` hands out: jobs, flows and tasks, which know the client they are of."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack

from .calls import Call, Options, TaskRef
from .records import Fate, FlowRecord, JobRecord, Progress
from .values import Span, limit

if TYPE_CHECKING:
    from .client import Client

P = ParamSpec("P")
R = TypeVar("R")


class Job(Generic[R]):
    """A job, whose result is an `R`. `Job(client, id)` is one that is known by its id."""

    def __init__(self, client: "Client", id: str) -> None:
        self._client = client
        self.id = id

    def result(self, timeout: Span | None = 60.0) -> R:
        """Waits for its result; raises `JobFailed` or `JobCancelled` where there is none, and
        `WaitTimeout` where it takes longer. `None` waits for ever."""
        value: R = self._client.result(self.id, timeout)
        return value

    def wait(self, timeout: Span | None = 60.0) -> JobRecord:
        """Waits until it has ended, however it did."""
        return self._client.wait(self.id, timeout)

    def record(self) -> JobRecord:
        """All that is known of it now, with its attempts."""
        return self._client.job(self.id)

    def progress(self, timeout: Span | None = 60.0) -> Generator[Progress, None, None]:
        """How far it is, whenever that changes, until it has ended."""
        return self._client.progress(self.id, timeout)

    def cancel(self) -> Fate:
        """Cancels it where it waits; asks it to stop where it runs."""
        return self._client.cancel(self.id)

    def requeue(self) -> Fate:
        """Makes it available again where it was discarded or cancelled."""
        return self._client.requeue(self.id)

    def log(self) -> str:
        """What its running attempt has written so far, or its last one."""
        return self._client.log(self.id)

    def __repr__(self) -> str:
        return f"Job({self.id!r})"


class Flow:
    """A flow that runs. `Flow(client, id)` is one that is known by its id."""

    def __init__(self, client: "Client", id: str) -> None:
        self._client = client
        self.id = id

    def result(self, *, node: str | None = None, timeout: Span | None = 60.0) -> Any:
        """Waits for its result, or takes that of the step at the path `node`."""
        return self._client.flow_result(self.id, node=node, timeout=timeout)

    def wait(self, timeout: Span | None = 60.0) -> FlowRecord:
        """Waits until it has ended, however it did."""
        return self._client.wait_flow(self.id, timeout)

    def record(self) -> FlowRecord:
        """How it and its steps stand now."""
        return self._client.flow(self.id)

    def cancel(self) -> bool:
        """Cancels what has not ended of it; whether there was something to do."""
        return self._client.cancel_flow(self.id)

    def retry(self) -> bool:
        """Runs again what failed of it; whether there was something to do."""
        return self._client.retry_flow(self.id)

    def __repr__(self) -> str:
        return f"Flow({self.id!r})"


class Task(Generic[P, R]):
    """A task that is called as a function is, and then is a job."""

    def __init__(
        self, client: "Client", ref: TaskRef[P, R], options: Options | None = None
    ) -> None:
        self._client = client
        self._ref = ref
        self._options: Options = options or {}

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Enqueues a call with these arguments, which go by name."""
        return self._client.enqueue(self.call(*args, **kwargs))

    def within(self, timeout: Span | None, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Enqueues a call, and waits so long for its result."""
        # A wrong one is told before there is a job.
        seconds = limit(timeout)
        return self(*args, **kwargs).result(seconds)

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """A call with these arguments, for `enqueue_many`. It enqueues nothing."""
        return self._ref(*args, **kwargs).with_options(**self._options)

    def with_options(self, **options: Unpack[Options]) -> "Task[P, R]":
        """The same task, whose calls have these options."""
        merged: Options = {**self._options, **options}
        return Task(self._client, self._ref, merged)

    def __repr__(self) -> str:
        return f"Task({self._ref.name!r})"


class Module:
    """A module, whose tasks are its attributes."""

    def __init__(self, client: "Client", name: str) -> None:
        self._client = client
        self._name = name

    def __getattr__(self, name: str) -> Task[..., Any]:
        if name.startswith("_"):
            raise AttributeError(f"no task of a module is named `{name}`")
        return self._client.task(f"{self._name}.{name}")

    def __repr__(self) -> str:
        return f"Module({self._name!r})"
