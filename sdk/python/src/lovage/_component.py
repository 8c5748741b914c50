"""The border of the component: the host's calls in, and ours out.

Imported in the sandbox alone, where the bindings exist. Its classes are what componentize-py
looks for in the app: one for each exported interface, by the interface's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
from wit_world.imports import context, jobs, types

from lovage import _host, _run, _sandbox, _task
from lovage._calls import asked
from lovage._describe import batched, described
from lovage._errors import CallError, CallErrorKind, Failure, SqlError
from lovage._host import BucketHost, DatabaseHost, Job, WireJob
from lovage.http import Request, Response

try:
    # Bound only where the module wants a value: a push refuses imports that nobody wants.
    from wit_world.imports import config_store as store
except ImportError:
    store = None

try:
    from lovage import _outgoing
except ImportError:
    _outgoing = None  # type: ignore[assignment]

try:
    from lovage import _keyvalue
except ImportError:
    _keyvalue = None  # type: ignore[assignment]

try:
    from lovage import _databases
except ImportError:
    _databases = None  # type: ignore[assignment]

T = TypeVar("T")

#: What the module wants to reach: filled by the build.
wanted: list[str] = []
#: What is known of the jobs that run together.
_calls: list[Any] = []


class Handler:
    def describe(self) -> list[Any]:
        return [described(task) for task in _task.tasks()]

    def run(self, task: str, input: bytes) -> bytes:
        _sandbox.refresh()
        try:
            return _run.run(task, input)
        except Failure as failure:
            error = _failure(failure)
        raise Err(error)


class Batches:
    def describe(self) -> list[Any]:
        return [batched(task) for task in _task.tasks() if task.options.batch is not None]

    def run(self, task: str, calls: list[Any]) -> list[Any]:
        _sandbox.refresh()
        _calls[:] = calls

        def retain(taken: list[bool]) -> None:
            _calls[:] = [call for call, took in zip(calls, taken, strict=True) if took]

        try:
            answers = _run.run_batch(task, [call.input for call in calls], retain)
        except Failure as failure:
            answers = [failure] * len(calls)
        return [Err(_failure(it)) if isinstance(it, Failure) else Ok(it) for it in answers]


class Wants:
    def wants(self) -> list[str]:
        return wanted


def _failure(failure: Failure) -> Any:
    advice = failure.retry.advice
    retry = {
        "policy": types.Retry_Policy,
        "now": types.Retry_Now,
        "never": types.Retry_Never,
    }
    return types.Failure(
        kind=failure.kind,
        message=failure.message,
        detail=failure.detail,
        retry=types.Retry_After(failure.retry.after_ms) if advice == "after" else retry[advice](),
    )


def _asked(call: Callable[[], T]) -> T:
    return asked(call, _told)


def _told(error: Any) -> CallError:
    kinds: dict[type, CallErrorKind] = {
        types.CallError_Denied: "denied",
        types.CallError_Invalid: "invalid",
        types.CallError_Limit: "limit",
        types.CallError_Unavailable: "unavailable",
    }
    return CallError(kinds[type(error)], error.value)


def _told_of_config(error: Any) -> CallError:
    # That interface has no case of its own for it; the host says it first.
    if error.value.startswith("denied: "):
        return CallError("denied", error.value.removeprefix("denied: "))
    return CallError("unavailable", error.value)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)


class _Host:
    def current(self) -> Job:
        job = context.current()
        return Job(
            id=job.id,
            tenant=job.tenant,
            module=job.module,
            task=job.task,
            queue=job.queue,
            digest=job.digest,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            enqueued_at=_moment(job.enqueued_at_ms),
            headers=dict(job.headers),
        )

    def batch(self) -> list[Job]:
        shared = self.current()
        together = [
            replace(
                shared,
                id=call.id,
                attempt=call.attempt,
                max_attempts=call.max_attempts,
                enqueued_at=_moment(call.enqueued_at_ms),
                headers=dict(call.headers),
            )
            for call in _calls
        ]
        return together or [shared]

    def remaining_ms(self) -> int:
        return int(context.remaining_ms())

    def cancelled(self) -> bool:
        return bool(context.cancelled())

    def progress(self, share: float | None, message: str | None) -> None:
        _asked(lambda: context.progress(share, message))

    def checkpoint(self, state: bytes) -> None:
        _asked(lambda: context.checkpoint(state))

    def restore(self) -> tuple[str, bytes] | None:
        saved = _asked(context.restore)
        return None if saved is None else (saved.digest, saved.state)

    def enqueue(self, new: list[WireJob]) -> list[str]:
        return list(_asked(lambda: jobs.enqueue([_new_job(job) for job in new])))

    def enqueue_flow(self, flow: str, key: str | None, at_once: bool) -> str:
        return str(_asked(lambda: jobs.enqueue_flow(jobs.NewFlow(flow, key, at_once))))

    def enqueue_page(self, new: list[WireJob], cursor: bytes, open: int) -> None:
        page = jobs.NewPage([_new_job(job) for job in new], cursor, open)
        _asked(lambda: jobs.enqueue_page(page))

    def config(self, key: str) -> str | None:
        if store is None:
            raise _unwanted(f"config {key}")
        value: str | None = asked(lambda: store.get(key), _told_of_config)
        return value

    def http(self, request: Request) -> Response:
        if _outgoing is None:
            raise _unwanted(f"http {request.method} {urlsplit(request.url).netloc}")
        return _outgoing.send(request)

    def bucket(self, name: str) -> BucketHost:
        if _keyvalue is None:
            raise _unwanted(f"bucket {name}")
        return _keyvalue.Opened(name)

    def sql(self, name: str) -> DatabaseHost:
        if _databases is None:
            raise _unwanted(f"sql {name}", SqlError)
        return _databases.Opened(name)


def _unwanted(grant: str, error: type[CallError] = CallError) -> CallError:
    place = "the module's `wants`, under `[tool.lovage]` of its `pyproject.toml`"
    return error("denied", f"`{grant}` is not among {place}")


def _new_job(job: WireJob) -> Any:
    return jobs.NewJob(**vars(job))


_host.install(_Host())
