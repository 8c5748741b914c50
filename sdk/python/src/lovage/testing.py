"""What a worker would do, for tests that run with no queue and no sandbox.

with testing.Context(attempt=2, saved={"at": 3}) as context:
    assert count(10) == 7
assert context.progress[0].message == "counting"
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from lovage import _host, _run, _task, _values
from lovage._errors import CallError, Failure, SqlError
from lovage._host import Job, WireJob
from lovage._memory_bucket import MemoryBucket
from lovage._memory_database import AnsweredDatabase, MemoryDatabase
from lovage._msgpack import decode, encode
from lovage._options import TaskOptions
from lovage._shapes.plain import plain
from lovage.http import Request, Response
from lovage.sql import Connection, Rows

__all__ = [
    "DIGEST",
    "Context",
    "Enqueued",
    "Flow",
    "Progress",
    "TaskInfo",
    "call",
    "call_batch",
    "tasks",
]

#: The digest that the module under test has.
DIGEST = "0" * 64
_ID = "01890a5d-ac96-774b-bcce-b302099a{:04x}"


@dataclass(frozen=True)
class Progress:
    share: float | None
    message: str | None


@dataclass(frozen=True)
class Enqueued:
    """A job that the task enqueued; its arguments as a caller would have sent them."""

    id: str
    task: str
    args: dict[str, Any]
    key: str | None
    queue: str | None
    lane: str | None
    priority: int | None
    delay: timedelta | None
    max_attempts: int | None
    headers: dict[str, str]
    at_once: bool


@dataclass(frozen=True)
class Flow:
    flow: dict[str, Any]
    key: str | None
    at_once: bool


@dataclass(frozen=True)
class TaskInfo:
    """A task as the module describes it at push."""

    name: str
    doc: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    options: TaskOptions


_NOTHING = object()


class Context:
    """The job that a task under test runs as, by default a first attempt of five; and what the
    task told meanwhile: `progress`, `jobs`, `flows`, `state`, `requests`.

    `http` answers its requests in place of other hosts. `databases` has a script of SQL for each
    database, which is SQLite in memory then, or a function that answers its statements."""

    def __init__(
        self,
        *,
        id: str = _ID.format(0),
        tenant: str = "default",
        module: str = "module",
        task: str = "task",
        queue: str = "default",
        attempt: int = 1,
        max_attempts: int = 5,
        headers: Mapping[str, str] | None = None,
        batch: list[Job] | None = None,
        remaining: str | timedelta = "60s",
        cancelled: bool | Callable[[], bool] = False,
        saved: Any = _NOTHING,
        config: Mapping[str, str] | None = None,
        http: Callable[[Request], Response] | None = None,
        buckets: Mapping[str, Mapping[str, bytes]] | None = None,
        databases: Mapping[str, str | Callable[[str, list[_host.SqlValue]], Rows]] | None = None,
    ) -> None:
        self.job = Job(
            id=id,
            tenant=tenant,
            module=module,
            task=task,
            queue=queue,
            digest=DIGEST,
            attempt=attempt,
            max_attempts=max_attempts,
            headers=dict(headers or {}),
        )
        self.progress: list[Progress] = []
        self.jobs: list[Enqueued] = []
        self.flows: list[Flow] = []
        #: Those that were sent, in order.
        self.requests: list[Request] = []
        #: Of a source: how many jobs may be open; none where no page was made.
        self.open: int | None = None
        self._batch = batch
        self._remaining_ms = _values.duration(remaining)
        self._cancelled = cancelled
        self._saved = None if saved is _NOTHING else encode(plain(saved))
        self._state: bytes | None = None
        self._http = http
        #: What each bucket holds, by name.
        self.buckets = {name: dict(kept) for name, kept in (buckets or {}).items()}
        self._databases = {
            name: MemoryDatabase(it) if isinstance(it, str) else AnsweredDatabase(it)
            for name, it in (databases or {}).items()
        }
        #: To look into each, by name.
        self.databases = {name: Connection(it) for name, it in self._databases.items()}
        self._config = dict(config or {})
        self._before: list[_host.Host | None] = []

    @property
    def state(self) -> Any:
        """The newest state that was saved in this attempt; None where there is none."""
        return None if self._state is None else decode(self._state)

    def next_attempt(self) -> Self:
        """The job's next attempt, which gets what this one saved."""
        self.job = replace(self.job, attempt=self.job.attempt + 1)
        self._saved = self._state if self._state is not None else self._saved
        self._state = None
        return self

    def __enter__(self) -> Self:
        self._before.append(_host.stand_in(host_of(self)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _host.stand_in(self._before.pop())
        for database in self._databases.values():
            database.end_attempt()


class _Worker:
    """What a context does as a host: apart from it, since both have words such as `progress`."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def current(self) -> Job:
        return self.context.job

    def batch(self) -> list[Job]:
        return self.context._batch or [self.context.job]

    def remaining_ms(self) -> int:
        return self.context._remaining_ms

    def cancelled(self) -> bool:
        cancelled = self.context._cancelled
        return cancelled() if callable(cancelled) else cancelled

    def progress(self, share: float | None, message: str | None) -> None:
        if share is not None and not 0 <= share <= 1:
            raise CallError("invalid", "a share of progress lies between 0 and 1")
        self.context.progress.append(Progress(share, message))

    def checkpoint(self, state: bytes) -> None:
        if len(state) > 1 << 20:
            raise CallError("limit", "a state has at most 1 MiB")
        self.context._state = state

    def restore(self) -> tuple[str, bytes] | None:
        saved = self.context._saved
        return None if saved is None else (DIGEST, saved)

    def enqueue(self, jobs: list[WireJob]) -> list[str]:
        first = len(self.context.jobs) + 1
        new = [_enqueued(job, _ID.format(first + at)) for at, job in enumerate(jobs)]
        self.context.jobs += new
        return [job.id for job in new]

    def enqueue_flow(self, flow: str, key: str | None, at_once: bool) -> str:
        self.context.flows.append(Flow(json.loads(flow), key, at_once))
        return _ID.format(0x8000 + len(self.context.flows))

    def enqueue_page(self, jobs: list[WireJob], cursor: bytes, open: int) -> None:
        self.enqueue(jobs)
        self.context._state = cursor
        self.context.open = open

    def config(self, key: str) -> str | None:
        return self.context._config.get(key)

    def http(self, request: Request) -> Response:
        self.context.requests.append(request)
        if self.context._http is None:
            raise CallError("denied", f"the test answers no `{request.method} {request.url}`")
        return self.context._http(request)

    def bucket(self, name: str) -> _host.BucketHost:
        return MemoryBucket(self.context.buckets.setdefault(name, {}))

    def sql(self, name: str) -> _host.DatabaseHost:
        database = self.context._databases.get(name)
        if database is None:
            raise SqlError("unknown", f"the test has no `{name}` among its Context's `databases`")
        return database


def host_of(context: Context) -> _host.Host:
    return _Worker(context)


def _enqueued(job: WireJob, id: str) -> Enqueued:
    return Enqueued(
        id=id,
        task=job.task,
        args=decode(job.input),
        key=job.key,
        queue=job.queue,
        lane=job.lane,
        priority=job.priority,
        delay=None if job.delay_ms is None else timedelta(milliseconds=job.delay_ms),
        max_attempts=job.max_attempts,
        headers=dict(job.headers),
        at_once=job.at_once,
    )


def tasks() -> dict[str, TaskInfo]:
    """The module's tasks by name, as they are described at push."""
    return {
        task.name: TaskInfo(
            name=task.name,
            doc=task.doc,
            input_schema=json.loads(task.signature.input_schema()),
            output_schema=json.loads(task.signature.output_schema()),
            options=task.options,
        )
        for task in _task.tasks()
    }


def call(task: str, /, **arguments: Any) -> Any:
    """Runs a task as a worker does: the arguments by name through MessagePack, and the result
    back as a caller gets it. Raises its `Failure`."""
    return decode(_run.run(task, encode(plain(arguments))))


def call_batch(task: str, calls: list[Mapping[str, Any]], /) -> list[Any]:
    """Runs many calls of a batched task together: for each its result, or its `Failure`."""
    inputs = [encode(plain(dict(call))) for call in calls]
    answers = _run.run_batch(task, inputs, lambda taken: None)
    return [it if isinstance(it, Failure) else decode(it) for it in answers]
