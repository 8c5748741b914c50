"""What the server tells of jobs, flows and events, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .values import time

#: The states that a job ends in.
ENDED = frozenset({"completed", "discarded", "cancelled"})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt did not complete."""

    kind: str
    message: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a job."""

    ending: str
    worker: str
    #: The release that it ran, and its digest; the digest is `None` where it came to no run.
    release: int
    digest: str | None
    started: datetime | None
    ended: datetime | None
    seconds: float
    #: Units of fuel that it burnt, and bytes of memory that it held at most.
    fuel: int
    peak_memory: int
    failure: Failure | None
    log: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: its state, and what the running attempt says of itself."""

    state: str
    #: From 0 to 1, if it says so.
    share: float | None = None
    #: A line for a person, if it says one.
    message: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as it was when it was asked for."""

    id: str
    task: str
    queue: str
    lane: str
    priority: int
    #: `pending`, `scheduled`, `available`, `running`, `retryable`, `completed`,
    #: `discarded` or `cancelled`.
    state: str
    #: Whether it was asked to stop.
    cancelling: bool
    enqueued: datetime | None
    available: datetime | None
    started: datetime | None
    finished: datetime | None
    progress: Progress
    attempts: tuple[Attempt, ...]
    tags: tuple[str, ...]
    headers: Mapping[str, str]
    #: What the running attempt has written so far.
    log: str | None
    #: The flow that it is a call of.
    flow: str | None
    #: All that the server said, under its own names. Bytes are Base64 in here: `result` and
    #: `input` of a client have them as they are.
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it, unless somebody requeues it."""
        return self.state in ENDED

    @property
    def failure(self) -> Failure | None:
        """Why its last attempt did not complete. Of one that expired or was cancelled
        before it ran, how it ended."""
        if not self.attempts:
            return None
        last = self.attempts[-1]
        if last.failure is None and last.ending != "completed":
            return Failure(last.ending, "")
        return last.failure


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a job. Of one that was to be cancelled: `cancelled`, `asked` (it runs,
    and was asked to stop) or `ended` (it had before); of one that was to be requeued:
    `requeued`, or `kept` where it is neither discarded nor cancelled. Of `ended` and `kept`,
    its `state`."""

    id: str
    became: str
    state: str | None = None


@dataclass(frozen=True, slots=True)
class FlowRecord:
    """A flow as it was when it was asked for."""

    id: str
    name: str
    #: `building`, `running`, `completed`, `failed` or `cancelled`.
    state: str
    #: Calls of it, and how many of them wait, have completed and have failed.
    nodes: int
    pending: int
    completed: int
    failed: int
    begun: datetime | None
    ended: datetime | None
    #: Its outermost step, and the others in it.
    steps: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: `jobs`, `release`, `limit`, `schedule`, `flow`, `progress`,
    or `gap` where some events were missed."""

    name: str
    data: Mapping[str, Any]
    #: Where the stream goes on behind it; `None` of events that have no place in it.
    id: str | None = None


def job_record(raw: Mapping[str, Any]) -> JobRecord:
    """A job from what the server says."""
    headers = dict(raw["options"]["headers"])
    tags = headers.pop("tags", "")
    return JobRecord(
        id=raw["id"],
        task=raw["task"],
        queue=raw["queue"],
        lane=raw["lane"],
        priority=raw["priority"],
        state=raw["state"],
        cancelling=raw["cancelling"],
        enqueued=time(raw["enqueued"]),
        available=time(raw["available"]),
        started=time(raw.get("started")),
        finished=time(raw.get("finished")),
        progress=progress(raw),
        attempts=tuple(_attempt(it) for it in raw["attempts"]),
        tags=tuple(tags.split(",")) if tags else (),
        headers=headers,
        log=raw.get("log"),
        flow=raw.get("flow"),
        raw=raw,
    )


def progress(raw: Mapping[str, Any]) -> Progress:
    """How far a job is, from its record or from an event."""
    said = raw.get("progress") or {}
    return Progress(raw["state"], said.get("share"), said.get("message"))


def _attempt(raw: Mapping[str, Any]) -> Attempt:
    failure = raw.get("failure")
    return Attempt(
        ending=raw["ending"],
        worker=raw["worker"],
        release=raw["release"],
        digest=raw.get("digest"),
        started=time(raw.get("started")),
        ended=time(raw.get("ended")),
        seconds=raw["seconds"],
        fuel=raw["fuel"],
        peak_memory=raw["peak_memory"],
        failure=failure and Failure(failure["kind"], failure["message"], failure.get("detail")),
        log=raw["log"],
    )


def flow_record(raw: Mapping[str, Any]) -> FlowRecord:
    """A flow from what the server says."""
    return FlowRecord(
        id=raw["id"],
        name=raw["name"],
        state=raw["state"],
        nodes=raw["nodes"],
        pending=raw["pending"],
        completed=raw["completed"],
        failed=raw["failed"],
        begun=time(raw["begun"]),
        ended=time(raw.get("ended")),
        steps=raw["steps"],
    )
