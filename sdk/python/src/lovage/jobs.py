"""Further jobs: the children of the one that runs.

A child is made in the step that records its parent as completed, so there is none of a parent
that did not; or at once, where it says so. A retried parent makes no child twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from lovage import _host, _values
from lovage._errors import CallError
from lovage._host import WireJob
from lovage._msgpack import MsgpackError, encode
from lovage._shapes import Mismatch
from lovage._shapes.plain import plain

__all__ = ["NewJob", "enqueue", "enqueue_all", "enqueue_flow", "enqueue_page"]


@dataclass(kw_only=True)
class NewJob:
    """A job to enqueue."""

    #: `module.task`.
    task: str = field(kw_only=False)
    #: By name. A dataclass goes as a map of its fields.
    args: Mapping[str, Any] = field(default_factory=dict, kw_only=False)
    #: Names this child among its parent's; without one its place among them does.
    key: str | None = None
    #: Where it is not the task's own.
    queue: str | None = None
    lane: str | None = None
    #: 0 to 9, 9 first.
    priority: int | None = None
    #: How long to wait before the job becomes available, as in `"30s"`.
    delay: str | timedelta | None = None
    #: Runs in all, the first included.
    max_attempts: int | None = None
    #: What goes beside the arguments.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Make it now, whatever becomes of the job that enqueues it.
    at_once: bool = False

    def _wire(self) -> WireJob:
        return WireJob(
            task=self.task,
            input=self._input(),
            key=self.key,
            queue=self.queue,
            lane=self.lane,
            priority=self._bounded("priority", self.priority, 0, 9),
            delay_ms=self._delay_ms(),
            max_attempts=self._bounded("max_attempts", self.max_attempts, 1, (1 << 32) - 1),
            headers=[(name, str(value)) for name, value in self.headers.items()],
            at_once=self.at_once,
        )

    def _input(self) -> bytes:
        encoded = {}
        for name, value in self.args.items():
            try:
                encoded[name] = plain(value)
                encode({name: encoded[name]})
            except (Mismatch, MsgpackError) as error:
                raise CallError(
                    "invalid", f"argument `{name}` of `{self.task}` cannot be encoded: {error}"
                ) from None
        return encode(encoded)

    def _bounded(self, what: str, value: int | None, least: int, most: int) -> int | None:
        try:
            return None if value is None else _values.whole(value, least, most)
        except ValueError as error:
            raise CallError("invalid", f"`{what}` of a new `{self.task}`: {error}") from None

    def _delay_ms(self) -> int | None:
        # No wait at all is one, too; as a duration of an option it would be none.
        if self.delay is None or self.delay == timedelta(0):
            return None
        try:
            return _values.duration(self.delay)
        except ValueError as error:
            raise CallError("invalid", f"`delay` of a new `{self.task}`: {error}") from None


def enqueue(
    task: str,
    args: Mapping[str, Any] | None = None,
    *,
    key: str | None = None,
    queue: str | None = None,
    lane: str | None = None,
    priority: int | None = None,
    delay: str | timedelta | None = None,
    max_attempts: int | None = None,
    headers: Mapping[str, str] | None = None,
    at_once: bool = False,
) -> str:
    """Enqueues a job of `module.task`, and answers with its id. `NewJob` says what each is."""
    new = NewJob(
        task,
        args or {},
        key=key,
        queue=queue,
        lane=lane,
        priority=priority,
        delay=delay,
        max_attempts=max_attempts,
        headers=headers or {},
        at_once=at_once,
    )
    return enqueue_all([new])[0]


def enqueue_all(jobs: Sequence[NewJob]) -> list[str]:
    """Enqueues all of them or none, at most 1,000, and answers with their ids in order."""
    return _host.current().enqueue([job._wire() for job in jobs])


def enqueue_flow(flow: Mapping[str, Any], *, key: str | None = None, at_once: bool = False) -> str:
    """Makes a flow of jobs, in the form that `lovage flow run` reads, and answers with its id.

    It begins when the job that makes it completes, or at once. A `key` names one that begins at
    once, so that a parent that is run again makes no second one."""
    try:
        text = json.dumps(plain(dict(flow)), ensure_ascii=False, allow_nan=False)
    except (Mismatch, TypeError, ValueError) as error:
        raise CallError("invalid", f"the flow cannot be encoded: {error}") from None
    return _host.current().enqueue_flow(text, key, at_once)


def enqueue_page(jobs: Sequence[NewJob], cursor: Any, *, open: int) -> None:
    """Makes this job a source of others, which come page by page.

    What this run returns then is dropped, and the job runs again, with `cursor` as what
    `context.restore` answers, once at most half of `open` jobs of all pages have not ended. The
    run that makes no page is the last one. A run makes one page, and enqueues nothing beside it.
    """
    try:
        encoded = encode(plain(cursor))
    except (Mismatch, MsgpackError) as error:
        raise CallError("invalid", f"the cursor cannot be encoded: {error}") from None
    _host.current().enqueue_page([job._wire() for job in jobs], encoded, open)
