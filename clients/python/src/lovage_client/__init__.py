"""Enqueue jobs of Lovage, wait for them and take their results.

# Layout

- `client`, `handles`: the client that blocks, and the jobs, flows and tasks it hands out
- `aio`, `aio_handles`: the same for asyncio and trio
- `calls`: calls, their options, and declarations of tasks with types
- `operations`: every operation, written once, without I/O
- `events`: the event stream, without I/O
- `wire`: requests, answers, and the rule by which they are repeated
- `transport`: what both clients have of httpx
- `pools`: their connections, by process and event loop
- `records`, `errors`, `values`: what there is to read, to catch and to send
- `plain`: what Python's own types are on the wire
"""

from .aio import AsyncClient
from .aio_handles import AsyncFlow, AsyncJob, AsyncModule, AsyncTask
from .calls import Backoff, Call, Options, TaskRef, Unique, task
from .client import Client
from .errors import (
    BadRequest,
    ClientClosed,
    ClientForked,
    Conflict,
    ConnectionFailed,
    Duplicate,
    FlowFailed,
    Forbidden,
    InternalError,
    Invalid,
    InvalidArguments,
    JobCancelled,
    JobError,
    JobFailed,
    LovageError,
    MethodNotAllowed,
    NoResult,
    NotAcceptable,
    NotFinished,
    NotFound,
    Place,
    ProblemError,
    QueueFull,
    Quota,
    RateLimited,
    Refused,
    RequestTimeout,
    Suspended,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
    WaitTimeout,
    WrongAnswer,
)
from .handles import Flow, Job, Module, Task
from .records import Attempt, Event, Failure, Fate, FlowRecord, JobRecord, Progress
from .transport import VERSION as __version__

__all__ = [
    "AsyncClient",
    "AsyncFlow",
    "AsyncJob",
    "AsyncModule",
    "AsyncTask",
    "Attempt",
    "Backoff",
    "BadRequest",
    "Call",
    "Client",
    "ClientClosed",
    "ClientForked",
    "Conflict",
    "ConnectionFailed",
    "Duplicate",
    "Event",
    "Failure",
    "Fate",
    "Flow",
    "FlowFailed",
    "FlowRecord",
    "Forbidden",
    "InternalError",
    "Invalid",
    "InvalidArguments",
    "Job",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobRecord",
    "LovageError",
    "MethodNotAllowed",
    "Module",
    "NoResult",
    "NotAcceptable",
    "NotFinished",
    "NotFound",
    "Options",
    "Place",
    "ProblemError",
    "Progress",
    "QueueFull",
    "Quota",
    "RateLimited",
    "Refused",
    "RequestTimeout",
    "Suspended",
    "Task",
    "TaskRef",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "Unique",
    "UnsupportedMediaType",
    "WaitTimeout",
    "WrongAnswer",
    "__version__",
    "task",
]
