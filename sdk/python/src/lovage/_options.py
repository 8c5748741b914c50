"""The options of a task, as an author writes them and as the host has them.

What an author leaves out stays out: it is the host's default then."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypedDict

from lovage import _values
from lovage._schedule import SCHEDULE_OPTIONS, Schedule, schedule_of

Span = str | timedelta


class Backoff(TypedDict, total=False):
    """The wait before attempt n + 1 is drawn from zero to `base * factor ** (n - 1)`, at most
    `max`."""

    base: Span
    factor: float
    max: Span


class Batch(TypedDict):
    """How many calls are run together, and how long the first of them waits for others."""

    max: int
    wait: Span


class Options(TypedDict, total=False):
    """What stands in the parentheses of `@lovage.task(…)`."""

    name: str
    queue: str
    priority: int
    retries: int
    backoff: Span | Backoff
    max_age: Span
    retry_exhausted: bool
    timeout: Span
    soft_timeout: Span
    fuel: int
    memory: str
    expires: Span
    result_ttl: Span
    unique: Literal["start", "done"] | Span
    on_conflict: Literal["existing", "reject", "replace"]
    rate: str
    concurrency: int
    batch: Batch
    every: Span
    cron: str
    tz: str
    jitter: Span
    catch_up: Literal["none", "last"] | int
    overlap: Literal["allow", "skip", "queue", "replace"]


_U32 = (1 << 32) - 1
_U64 = (1 << 64) - 1
#: The host's own, spelled out, since the contract knows a backoff only as a whole.
_BACKOFF = (5_000, 3.0, 3_600_000)
_MOST_CALLS = 1_000
_LONGEST_WAIT_MS = 60_000


@dataclass(frozen=True)
class TaskOptions:
    """The same by the contract's names, durations in milliseconds."""

    queue: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    #: Base, factor and most.
    backoff: tuple[int, float, int] | None = None
    max_age_ms: int | None = None
    retry_exhausted: bool | None = None
    timeout_ms: int | None = None
    soft_timeout_ms: int | None = None
    expiry_ms: int | None = None
    result_ttl_ms: int | None = None
    #: `start`, `done` or milliseconds.
    unique: str | int | None = None
    conflict: str = "existing"
    fuel: int | None = None
    memory: int | None = None
    #: Starts, and the period.
    rate: tuple[int, int] | None = None
    concurrency: int | None = None
    #: Calls, and the wait.
    batch: tuple[int, int] | None = None
    schedule: Schedule | None = None


def options_of(given: Mapping[str, Any]) -> TaskOptions:
    """Raises a `ValueError` that names the option."""
    read: dict[str, Any] = {}
    for option, value in given.items():
        if option in _READ:
            name, parse = _READ[option]
            try:
                read[name] = parse(value)
            except ValueError as error:
                raise ValueError(f"option `{option}`: {error}") from None
        elif option not in SCHEDULE_OPTIONS and option != "name":
            known = ", ".join(Options.__annotations__)
            raise ValueError(f"no option `{option}`: the options are {known}")
    if "conflict" in read and "unique" not in read:
        raise ValueError("`on_conflict` says nothing without `unique`")
    return TaskOptions(**read, schedule=schedule_of(given))


def _number(least: int, most: int) -> Callable[[Any], int]:
    return lambda value: _values.whole(value, least, most)


def _attempts(value: Any) -> int:
    # One less than the type holds, for the first run.
    return _values.whole(value, 0, _U32 - 1) + 1


def _queue(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a queue has a name")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"`{value}` is neither True nor False")
    return value


def _unique(value: Any) -> str | int:
    if value in ("start", "done"):
        return str(value)
    try:
        return _values.duration(value)
    except ValueError:
        raise ValueError(
            f'`{value}` is not what a job is unique until: write "start", "done" or a duration,'
            ' as in "5m"'
        ) from None


def _conflict(value: Any) -> str:
    if value not in ("existing", "reject", "replace"):
        raise ValueError(
            f'`{value}` is not what a conflict ends in: write "existing", "reject" or "replace"'
        )
    return str(value)


def _fields(value: Any, known: tuple[str, ...], example: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"write it as in `{example}`")
    for field in value:
        if field not in known:
            raise ValueError(f"no option `{field}`: the options are {', '.join(known)}")
    return value


def _backoff(value: Any) -> tuple[int, float, int]:
    base, factor, most = _BACKOFF
    if isinstance(value, str | timedelta):
        base = _values.duration(value)
        return base, factor, max(base, most)
    fields = _fields(value, ("base", "factor", "max"), '{"base": "5s", "factor": 3, "max": "1h"}')
    base = _values.duration(fields.get("base", timedelta(milliseconds=base)))
    most = _values.duration(fields["max"]) if "max" in fields else max(base, most)
    factor = fields.get("factor", factor)
    if isinstance(factor, bool) or not isinstance(factor, int | float):
        raise ValueError("a backoff's `factor` is a number from 1")
    if not math.isfinite(factor) or factor < 1:
        raise ValueError("a backoff's `factor` is a number from 1")
    if most < base:
        raise ValueError("a backoff's `max` is at least its `base`")
    return base, float(factor), most


def _batch(value: Any) -> tuple[int, int]:
    example = '{"max": 100, "wait": "50ms"}'
    fields = _fields(value, ("max", "wait"), example)
    if len(fields) < 2:
        raise ValueError(f"a batch has both, as in `{example}`")
    wait = _values.duration(fields["wait"])
    if wait > _LONGEST_WAIT_MS:
        raise ValueError("a batch is waited for a minute at most")
    return _values.whole(fields["max"], 1, _MOST_CALLS), wait


_READ: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "queue": ("queue", _queue),
    "priority": ("priority", _number(0, 9)),
    "retries": ("max_attempts", _attempts),
    "backoff": ("backoff", _backoff),
    "max_age": ("max_age_ms", _values.duration),
    "retry_exhausted": ("retry_exhausted", _flag),
    "timeout": ("timeout_ms", _values.duration),
    "soft_timeout": ("soft_timeout_ms", _values.duration),
    "expires": ("expiry_ms", _values.duration),
    "result_ttl": ("result_ttl_ms", _values.duration),
    "unique": ("unique", _unique),
    "on_conflict": ("conflict", _conflict),
    "fuel": ("fuel", _number(1, _U64)),
    "memory": ("memory", _values.size),
    "rate": ("rate", _values.rate),
    "concurrency": ("concurrency", _number(1, _U32)),
    "batch": ("batch", _batch),
}
