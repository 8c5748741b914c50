"""The job that is running, and what it may tell the queue of itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar, overload

from lovage import _host
from lovage._errors import CallError
from lovage._host import Job
from lovage._msgpack import MsgpackError, decode, encode
from lovage._shapes import Mismatch, shape_of
from lovage._shapes.plain import plain

__all__ = [
    "Job",
    "Saved",
    "attempt",
    "batch",
    "cancelled",
    "checkpoint",
    "current",
    "headers",
    "id",
    "max_attempts",
    "module",
    "progress",
    "queue",
    "remaining",
    "restore",
    "task",
    "tenant",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Saved(Generic[T]):
    """A state that an earlier attempt saved."""

    #: Of the module that saved it: a newer release may refuse a state it does not understand.
    digest: str
    state: T


def current() -> Job:
    """The job that is running; in a batch, the first of them."""
    return _host.current().current()


def batch() -> list[Job]:
    """The jobs of the calls that a batched task was given, in their order. Of any other task it
    is the one job that runs."""
    return _host.current().batch()


def id() -> str:
    """A UUIDv7."""
    return current().id


def attempt() -> int:
    """The attempt this is: 1 for the first run."""
    return current().attempt


def max_attempts() -> int:
    """Runs in all, the first included."""
    return current().max_attempts


def tenant() -> str:
    """Whose job it is."""
    return current().tenant


def module() -> str:
    """The name of this module."""
    return current().module


def task() -> str:
    """The name of the task."""
    return current().task


def queue() -> str:
    """The queue that the job came by."""
    return current().queue


def headers() -> dict[str, str]:
    """What the caller sent beside the arguments."""
    return current().headers


def remaining() -> timedelta:
    """The time left until the attempt's deadline."""
    return timedelta(milliseconds=_host.current().remaining_ms())


def cancelled() -> bool:
    """Whether this attempt should stop: somebody asked for that, or its soft timeout is over.

    A task that looks may tidy up and return. One that does not is stopped: 50 ms after it was
    asked, or at its deadline."""
    return _host.current().cancelled()


def progress(share: float | None = None, message: str | None = None) -> None:
    """How far the job is: a share from 0 to 1 where it is known, and a line for a person. The
    newest one stands."""
    _host.current().progress(None if share is None else float(share), message)


def checkpoint(state: Any) -> None:
    """Saves a state, of at most 1 MiB, that the job's next attempt gets from `restore`, on any
    worker. The newest one stands.

    A state is any value that MessagePack has: None, booleans, numbers, text, bytes, lists and
    dictionaries of them, and dataclasses."""
    try:
        encoded = encode(plain(state))
    except (Mismatch, MsgpackError) as error:
        raise CallError("invalid", f"the checkpoint cannot be encoded: {error}") from None
    _host.current().checkpoint(encoded)


@overload
def restore() -> Saved[Any] | None: ...


@overload
def restore(kind: type[T]) -> Saved[T] | None: ...


def restore(kind: Any = Any) -> Saved[Any] | None:
    """The state that an earlier attempt saved, if there is one; as a `kind`, where it is given.

    One that is no `kind`, since another release of the module saved it, is a `CallError`."""
    shape = shape_of(kind)
    saved = _host.current().restore()
    if saved is None:
        return None
    digest, state = saved
    try:
        return Saved(digest, shape.read(decode(state)))
    except (Mismatch, MsgpackError) as error:
        raise CallError(
            "invalid", f"the checkpoint of module {digest} cannot be decoded: {error}"
        ) from None
