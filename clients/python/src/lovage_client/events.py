"""What happens, as server-sent events (WHATWG HTML, section 9.2): how their text is read,
and how a stream goes on where it broke off."""

import codecs
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from .errors import (
    ConnectionFailed,
    LovageError,
    ProblemError,
    WaitTimeout,
    WrongAnswer,
    problem_of,
)
from .records import Event, Progress, progress
from .values import Span
from .wire import AWAY, STREAM, Answer, Deadline, Lost, Request, pause_before

T = TypeVar("T")

#: Seconds of silence after which a stream counts as broken: the server says something every 15.
SILENCE = 45.0


class Parser:
    """Takes a stream apart, in whatever pieces it comes."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._name = ""
        self._data: list[str] = []
        self._id: str | None = None
        #: The last id of the stream so far, which need not be an event's.
        self.last: str | None = None

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that are complete with these bytes."""
        text = self._rest + self._decoder.decode(chunk)
        # A line may end with a carriage return whose line feed is yet to come.
        held = "\r" if text.endswith("\r") else ""
        lines = text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = lines.pop() + held
        for line in lines:
            if line:
                self._field(*line.partition(":"))
            elif event := self._event():
                yield event

    def _field(self, name: str, _: str, value: str) -> None:
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value

    def _event(self) -> Event | None:
        name, data, id = self._name or "message", "\n".join(self._data), self._id
        self._name, self._data, self._id = "", [], None
        if id is not None:
            self.last = id
        if not data:
            return None
        try:
            value = json.loads(data)
        except ValueError as e:
            raise WrongAnswer(f"an event is no JSON: {e}") from e
        return Event(name, value if isinstance(value, dict) else {}, id)


class Subscription(Generic[T]):
    """A stream that outlives its connections: it says what to ask for next, and takes in
    what came. `pick` makes what the caller sees of an event, or drops it."""

    def __init__(
        self,
        params: Mapping[str, str | None],
        pick: Callable[[Event], T | None],
        deadline: Deadline,
        patience: float,
    ) -> None:
        self._params = {name: value for name, value in params.items() if value is not None}
        self._pick = pick
        self._deadline = deadline
        self._patience = patience
        self._last: str | None = None
        self._parser = Parser()
        self._tries = 0
        self._outage: Deadline | None = None
        self._missed = False

    def request(self) -> tuple[Request, dict[str, str]]:
        """The next request, and the headers that are its own."""
        self._parser = Parser()
        # Bytes are read as they come: nobody between may pack them.
        params, headers = dict(self._params), {"Accept-Encoding": "identity"}
        if self._last is not None:
            params.pop("after", None)
            headers["Last-Event-ID"] = self._last
        # Where nothing was heard yet, there is no place to go on from.
        self._missed = self._tries > 0 and self._last is None and "after" not in params
        silence = min(SILENCE, max(self._deadline.left(), 0.05))
        return Request("GET", "/v1/events", params, accept=STREAM, silence=silence), headers

    def left(self) -> float:
        """Seconds of the caller's time."""
        return self._deadline.left()

    def is_over(self) -> bool:
        """Whether the caller's time is up."""
        return self.left() <= 0

    def feed(self, chunk: bytes) -> Iterator[T]:
        """What there is to see in these bytes."""
        self._tries, self._outage = 0, None
        gap = [Event("gap", {})] if self._missed else []
        self._missed = False
        for event in (*gap, *self._parser.feed(chunk)):
            picked = self._pick(event)
            if picked is not None:
                yield picked
        if self._parser.last is not None:
            self._last = self._parser.last

    def pause(self, ended: Answer | Lost | None) -> float:
        """Seconds before the next connection, after one that came to an end, to an answer
        that is no stream, or to nothing.

        # Raises
        What will not pass, and an outage of more than the client's patience.
        """
        self._tries += 1
        if self._outage is None:
            self._outage = Deadline(self._patience)
        seconds = pause_before(self._tries)
        if isinstance(ended, Answer):
            error = problem_of(ended.status, ended.headers, ended.body)
            seconds += self._again(error, ended.status)
        else:
            where = ended.where if ended else "the server"
            why = ended.why if ended else "the stream ends"
            error = ConnectionFailed(where, "GET /v1/events", why, self._tries)
        left = self._deadline.left()
        if left > seconds and self._outage.left() <= seconds:
            raise error
        return min(seconds, left)

    def _again(self, error: LovageError, status: int) -> float:
        again = error.retry_after if isinstance(error, ProblemError) else None
        if status not in AWAY and (status != 429 or again is None):
            raise error
        return again or 0.0


def subscription_to_all(
    params: Mapping[str, str | None], timeout: Span | None, patience: float
) -> Subscription[Event]:
    """Of all events that the parameters let through."""
    return Subscription(params, lambda event: event, Deadline(timeout), patience)


class Follower:
    """Follows one job to its end: what changes of its progress, each once, also across
    connections."""

    def __init__(self, id: str, timeout: Span | None, patience: float) -> None:
        self._id = id
        self._deadline = Deadline(timeout)
        self._seen: Progress | None = None
        self.subscription = Subscription({"job": id}, self._pick, self._deadline, patience)

    def _pick(self, event: Event) -> Progress | None:
        if event.name != "progress":
            return None
        now = progress(event.data)
        if now == self._seen:
            return None
        self._seen = now
        return now

    def late(self) -> WaitTimeout:
        """The error where the job has not ended in time."""
        return WaitTimeout("job", self._id, self._deadline.seconds)
