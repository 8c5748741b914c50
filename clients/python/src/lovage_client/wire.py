"""What goes over the wire, and how often: requests as values, and the rule of repeats.

An operation is a generator. It yields what is to be done (a request to send, a pause to
make) and is sent what came of it; its return value is the operation's. So each is written
once, and `Client` and `AsyncClient` only do what it asks for.
"""

import random
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from .errors import ClientClosed, ConnectionFailed, LovageError, ProblemError, problem_of
from .values import Span, limit

MSGPACK = "application/msgpack"
JSON = "application/json"
TEXT = "text/plain"
STREAM = "text/event-stream"

#: Seconds of silence after which a request counts as lost.
SILENCE = 10.0
#: The first pause before a repeat, and the longest.
PAUSE, LONGEST_PAUSE = 0.1, 5.0
#: Answers of a server, or of a proxy before it, that is away for a while.
AWAY = frozenset({408, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Request:
    """A request, with all but where the server is and who asks."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    body_type: str = MSGPACK
    accept: str = MSGPACK
    #: The idempotency key, where the body has none.
    key: str | None = None
    #: Seconds of silence that are put up with.
    silence: float = SILENCE
    #: Whether sending it twice does no more than sending it once.
    repeatable: bool = True
    #: Whether the server holds it until a job has ended.
    waits: bool = False

    def after(self, seconds: float) -> "Request":
        """The same request, when so much patience with it is used up."""
        return replace(self, silence=max(self.silence - seconds, 0.05))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of any status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer, and why. `arrived` says whether the server may have heard the request,
    `closed` whether there is none to be had, since the client is closed."""

    where: str
    why: str
    arrived: bool
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is to be done for a while."""

    seconds: float


class Deadline:
    """When somebody's patience ends, so long from now; `None` is never."""

    def __init__(self, timeout: Span | None) -> None:
        self.seconds = limit(timeout)
        self._at = time.monotonic() + self.seconds

    def left(self) -> float:
        """Seconds until then, never less than none."""
        return max(self._at - time.monotonic(), 0.0)


T = TypeVar("T")
Operation = Generator[Request | Pause, Answer | Lost | None, T]


def send(request: Request, patience: float) -> Operation[Answer]:
    """Sends a request, again and again within `patience` seconds where that may help."""
    deadline = time.monotonic() + patience
    tries, in_doubt = 0, False
    while True:
        tries += 1
        left = max(deadline - time.monotonic(), 0.05)
        outcome = yield replace(request, silence=min(request.silence, left))
        if isinstance(outcome, Answer) and outcome.status < 300:
            return outcome
        error = _error(request, outcome, tries)
        in_doubt = in_doubt or (request.method != "GET" and _may_be_done(outcome))
        error.in_doubt = in_doubt
        seconds = _pause(request, outcome, error, tries)
        if seconds is None or time.monotonic() + seconds >= deadline:
            raise error
        yield Pause(seconds)


def pause_before(tries: int) -> float:
    """Seconds before the next of so many tries: twice as long each time, and of no two
    clients the same."""
    longest = min(LONGEST_PAUSE, PAUSE * 2.0 ** min(tries - 1, 16))
    return longest * random.uniform(0.5, 1.0)


def _error(request: Request, outcome: Answer | Lost | None, tries: int) -> LovageError:
    if isinstance(outcome, Answer):
        return problem_of(outcome.status, outcome.headers, outcome.body)
    assert isinstance(outcome, Lost), "a request comes to an answer or to none"
    if outcome.closed:
        return ClientClosed()
    what = f"{request.method} {request.path}"
    return ConnectionFailed(outcome.where, what, outcome.why, tries)


def _may_be_done(outcome: Answer | Lost | None) -> bool:
    """Whether what was asked for may have been done, whatever the answer says."""
    if isinstance(outcome, Answer):
        return outcome.status >= 500
    return isinstance(outcome, Lost) and outcome.arrived


def _pause(
    request: Request, outcome: Answer | Lost | None, error: LovageError, tries: int
) -> float | None:
    """How long to wait before the request is sent again; `None` where that is of no use, or
    might do the same thing twice."""
    # Whoever waits for a job asks anew, for as long as is left then.
    if request.waits or isinstance(error, ClientClosed):
        return None
    pause = pause_before(tries)
    if isinstance(outcome, Lost):
        return pause if request.repeatable or not outcome.arrived else None
    if not isinstance(error, ProblemError):
        return None
    again = error.retry_after
    if error.status == 429:
        # Refused before anything was done. Without a time, time alone does not help.
        return None if again is None else again + pause
    if error.status in AWAY and request.repeatable:
        return (again or 0.0) + pause
    return None
