"""What a worker does for a task: the contract, and who stands behind it just now.

In the sandbox that is the host itself; everywhere else a `lovage.testing.Context`, and where a
test made none, one of its own."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lovage.http import Request, Response
    from lovage.sql import Rows

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Job:
    """The job that is running."""

    id: str
    tenant: str
    #: The name of this module.
    module: str
    task: str
    #: The queue that the job came by.
    queue: str
    #: Of this module: 64 hexadecimal digits.
    digest: str
    #: 1 for the first run.
    attempt: int
    #: Runs in all, the first included.
    max_attempts: int
    #: By the broker's clock.
    enqueued_at: datetime = _EPOCH
    #: What the caller sent beside the arguments.
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WireJob:
    """A job to enqueue, as the contract has it."""

    task: str
    input: bytes
    key: str | None
    queue: str | None
    lane: str | None
    priority: int | None
    delay_ms: int | None
    max_attempts: int | None
    headers: list[tuple[str, str]]
    at_once: bool


class BucketHost(Protocol):
    """A bucket, as the contract has it."""

    def get_many(self, keys: list[str]) -> list[bytes | None]: ...
    def set_many(self, values: list[tuple[str, bytes]]) -> None: ...
    def delete_many(self, keys: list[str]) -> None: ...
    def exists(self, key: str) -> bool: ...
    def page(self, cursor: str | None) -> tuple[list[str], str | None]: ...
    def increment(self, key: str, by: int) -> int: ...
    def swap(self, key: str, expected: bytes | None, value: bytes) -> bool: ...


SqlValue = bool | int | float | str | bytes | None


class StatementsHost(Protocol):
    """What carries statements out, as the contract has it."""

    def query(self, statement: str, parameters: list[SqlValue]) -> Rows: ...


class TransactionHost(StatementsHost, Protocol):
    """An open transaction."""

    def end(self, commit: bool) -> None: ...


class DatabaseHost(StatementsHost, Protocol):
    """A database, in which each statement is in a transaction of its own."""

    def begin(self) -> TransactionHost: ...


class Host(Protocol):
    """Each raises `CallError` where it is not done."""

    def current(self) -> Job: ...
    def batch(self) -> list[Job]: ...
    def remaining_ms(self) -> int: ...
    def cancelled(self) -> bool: ...
    def progress(self, share: float | None, message: str | None) -> None: ...
    def checkpoint(self, state: bytes) -> None: ...

    def restore(self) -> tuple[str, bytes] | None:
        """The digest of the module that saved the state, and the state."""

    def enqueue(self, jobs: list[WireJob]) -> list[str]: ...
    def enqueue_flow(self, flow: str, key: str | None, at_once: bool) -> str: ...
    def enqueue_page(self, jobs: list[WireJob], cursor: bytes, open: int) -> None: ...
    def config(self, key: str) -> str | None: ...
    def http(self, request: Request) -> Response: ...
    def bucket(self, name: str) -> BucketHost: ...
    def sql(self, name: str) -> DatabaseHost: ...


_current: ContextVar[Host | None] = ContextVar("lovage_host", default=None)
#: The one of the sandbox, where there is one.
_sandbox: Host | None = None


def install(host: Host) -> None:
    global _sandbox
    _sandbox = host


def current() -> Host:
    host = _current.get() or _sandbox
    if host is None:
        from lovage import testing

        host = testing.host_of(testing.Context())
        _current.set(host)
    return host


def stand_in(host: Host | None) -> Host | None:
    """Puts one in place for a test, and answers with who stood there."""
    before = _current.get()
    _current.set(host)
    return before
