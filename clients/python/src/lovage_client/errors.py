"""What goes wrong, one class a kind: `LovageError` is all of it.

A problem document (RFC 9457) of the server becomes the class of its `type`. A job that did
not complete, and a wait that was too short, are errors of the client's own.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .records import Failure, FlowRecord, JobRecord

_TYPE = "urn:lovage:problem:"


class LovageError(Exception):
    """Anything that this package raises of its own accord, but for wrong use."""

    #: Whether what was asked for may have been done all the same: an answer was lost.
    in_doubt: bool = False
    #: Of what is in doubt, and of `enqueue_many`: the key to enqueue the same again with, and
    #: make no second job.
    key: str | None = None
    #: Of `enqueue_many`: the jobs of the parts that were enqueued before this went wrong, and
    #: how many calls there were.
    enqueued: tuple[str, ...] = ()
    calls: int = 0

    def __str__(self) -> str:
        if not self.enqueued:
            return self._said()
        return (
            f"the first {len(self.enqueued)} of {self.calls} calls are jobs, and the next "
            f"request failed: {self._said()}"
        )

    def _said(self) -> str:
        return super().__str__()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """As it is, also from another process: what makes one takes more than its text."""
        return _remade, (type(self), self.args, self.__dict__)


def _remade(
    kind: type[LovageError], args: tuple[Any, ...], known: dict[str, Any]
) -> LovageError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(known)
    return error


class ConnectionFailed(LovageError):
    """The server gave no answer, however often it was asked within the time."""

    def __init__(self, where: str, what: str, why: str, tries: int) -> None:
        times = "once" if tries == 1 else f"{tries} times"
        super().__init__(
            f"no answer from {where} to {what}, asked {times}: {why}; "
            "is the server running there, and is the address right?"
        )


class ClientClosed(LovageError):
    """The client was closed before this was asked of it."""

    def __init__(self) -> None:
        super().__init__(
            "the client is closed: make another, or do this before `close()`, or before its "
            "`with` ends"
        )


class ClientForked(LovageError):
    """The client was given an httpx client, and the process was forked since."""

    def __init__(self) -> None:
        super().__init__(
            "the client was made in another process, and its httpx client (`http=`) has that "
            "one's connections: make a client in each process, after the fork"
        )


class WrongAnswer(LovageError):
    """An answer that is none of a Lovage server: something else listens at that address."""


@dataclass(frozen=True, slots=True)
class Place:
    """Something in a request that is wrong: a JSON Pointer (RFC 6901), and what."""

    pointer: str
    detail: str


class ProblemError(LovageError):
    """A request that was not done, and the problem document that says why."""

    kind: ClassVar[str] = ""

    def __init__(
        self,
        type: str,
        status: int,
        title: str,
        detail: str,
        errors: tuple[Place, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail or title)
        self.type = type
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors
        #: Seconds after which it may be tried again, where the server says so.
        self.retry_after = retry_after

    def _said(self) -> str:
        places = ", ".join(it.pointer for it in self.errors if it.pointer)
        return f"{super()._said()} (at {places})" if places else super()._said()


class BadRequest(ProblemError):
    """The request makes no sense; often `errors` say where."""

    kind = "bad-request"


class Unauthorized(ProblemError):
    """No token, or one that is wrong, has expired or was revoked."""

    kind = "unauthorized"

    def _said(self) -> str:
        # The server speaks of a header, which here nobody writes.
        return f"{super()._said()} (the client takes it as `token=`, or from LOVAGE_TOKEN)"


class Forbidden(ProblemError):
    """The token's role does not allow it."""

    kind = "forbidden"


class Suspended(Forbidden):
    """Nothing new of the tenant is taken."""

    kind = "suspended"


class NotFound(ProblemError):
    """No such job, task, module or flow."""

    kind = "not-found"


class MethodNotAllowed(ProblemError):
    """That cannot be done with this: the server is of another version."""

    kind = "method-not-allowed"


class NotAcceptable(ProblemError):
    """There is no such form of the answer."""

    kind = "not-acceptable"


class RequestTimeout(ProblemError):
    """The request's body did not arrive in time."""

    kind = "timeout"


class Conflict(ProblemError):
    """It cannot be done in its present state."""

    kind = "conflict"


class Duplicate(Conflict):
    """A unique job is there already."""

    kind = "duplicate"
    #: The id of that job.
    job: str | None = None


class NotFinished(Conflict):
    """A result that is not there yet."""

    kind = "not-finished"


class TooLarge(ProblemError):
    """The request's body is larger than the token allows."""

    kind = "too-large"


class UnsupportedMediaType(ProblemError):
    """The request's form is not known to the server: it is of another version."""

    kind = "unsupported-media-type"


class Invalid(ProblemError):
    """The right form, and no sense: a flow in which nothing runs, say."""

    kind = "invalid"


class InvalidArguments(Invalid):
    """The arguments do not fit the task: `errors` say which, and why."""

    kind = "invalid-arguments"


class Refused(ProblemError):
    """The server has refused a module."""

    kind = "refused"


class NoResult(ProblemError):
    """A result that there will not be."""

    kind = "job-failed"


class TooManyRequests(ProblemError):
    """Too much for now: of these, `retry_after` says when to come back."""


class QueueFull(TooManyRequests):
    """The queue has as many jobs as it may."""

    kind = "queue-full"


class RateLimited(TooManyRequests):
    """The token is used too often."""

    kind = "rate-limited"


class Quota(TooManyRequests):
    """The tenant has taken all that it may. Without `retry_after`, time does not help."""

    kind = "quota"


class Unavailable(ProblemError):
    """The server's broker is away, or the server itself behind its proxy."""

    kind = "unavailable"


class InternalError(ProblemError):
    """The server is broken, or a record is."""

    kind = "internal"


class JobError(LovageError):
    """A job that ended without a result."""

    def __init__(self, job: "JobRecord", said: str) -> None:
        failure = job.failure
        self.job = job
        self.kind = failure.kind if failure else job.state
        self.message = failure.message if failure else ""
        #: What else is known: for most guests, a traceback.
        self.detail = failure.detail if failure else None
        super().__init__(f"job {job.id} of `{job.task}` {self._ended(said, failure)}")
        if self.detail:
            self.add_note(self.detail)

    @staticmethod
    def _ended(said: str, failure: "Failure | None") -> str:
        if failure is None:
            return said
        kind, message = failure.kind, failure.message
        # A cancelled job's says so once more, as in `cancelled while it ran`.
        if kind and said.endswith(kind):
            if message.startswith(kind):
                return said + message.removeprefix(kind)
            kind = ""
        return ": ".join(it for it in (said, kind, message) if it)


class JobFailed(JobError):
    """It was discarded: its last attempt failed, and there is no other."""

    def __init__(self, job: "JobRecord") -> None:
        super().__init__(job, "failed")


class JobCancelled(JobError):
    """Somebody cancelled it, or it expired before it began: `kind` says which."""

    def __init__(self, job: "JobRecord") -> None:
        super().__init__(job, "was cancelled")


class FlowFailed(LovageError):
    """A flow that ended otherwise than completed."""

    def __init__(self, flow: "FlowRecord") -> None:
        self.flow = flow
        was = "was cancelled" if flow.state == "cancelled" else "failed"
        super().__init__(
            f"flow {flow.id} (`{flow.name}`) {was}: {flow.failed} of {flow.nodes} calls "
            f"failed; `lovage flow show {flow.id}` shows which"
        )


class WaitTimeout(LovageError, TimeoutError):
    """The time was up before the job, or the flow, ended. It goes on."""

    def __init__(self, what: str, id: str, seconds: float) -> None:
        self.id = id
        self.seconds = seconds
        super().__init__(
            f"{what} {id} has not ended within {seconds:g} s; it goes on: "
            "wait for it again, or cancel it"
        )


def _kinds(base: type[ProblemError]) -> dict[str, type[ProblemError]]:
    found = {base.kind: base} if base.kind else {}
    for kind in base.__subclasses__():
        found |= _kinds(kind)
    return found


_KINDS = _kinds(ProblemError)
#: What a status means where a proxy answers, which knows nothing of problem documents.
_STATUSES: dict[int, type[ProblemError]] = {
    401: Unauthorized,
    403: Forbidden,
    408: RequestTimeout,
    413: TooLarge,
    429: TooManyRequests,
    500: InternalError,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def problem_of(status: int, headers: Mapping[str, str], body: bytes) -> LovageError:
    """The error that an answer is."""
    document = _document(body)
    again = _retry_after(headers.get("retry-after"))
    if document is None:
        known = _STATUSES.get(status)
        said = f"the server answered with status {status} and no problem document"
        if known is None:
            return WrongAnswer(f"{said}: is a Lovage server at that address?")
        return known("about:blank", status, said, "", (), again)
    type_ = str(document.get("type", "about:blank"))
    kind = _KINDS.get(type_.removeprefix(_TYPE)) or _STATUSES.get(status, ProblemError)
    errors = tuple(_places(document.get("errors")))
    title, detail = str(document.get("title", "")), str(document.get("detail", ""))
    error = kind(type_, status, title, detail, errors, again)
    if isinstance(error, Duplicate):
        error.job = document.get("job")
    return error


def _places(errors: object) -> Iterator[Place]:
    """Those of a document that may be somebody else's: a proxy's has others, or none."""
    for it in errors if isinstance(errors, list) else []:
        if isinstance(it, dict):
            yield Place(str(it.get("pointer", "")), str(it.get("detail", "")))


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "type" in document else None


def _retry_after(text: str | None) -> float | None:
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time(), 0.0)
    except ValueError:
        return None
