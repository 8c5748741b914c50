"""Every operation of the clients, written once: see `wire` for what an operation is."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

from .calls import Call, checked, encode, keyed
from .errors import (
    ConnectionFailed,
    FlowFailed,
    JobCancelled,
    JobFailed,
    LovageError,
    NoResult,
    NotFinished,
    Place,
    ProblemError,
    RequestTimeout,
    TooManyRequests,
    Unavailable,
    WaitTimeout,
)
from .plain import Unsendable
from .records import Fate, FlowRecord, JobRecord, flow_record, job_record
from .values import pack_list, to_json, unpack
from .wire import (
    JSON,
    MSGPACK,
    SILENCE,
    TEXT,
    Answer,
    Deadline,
    Operation,
    Pause,
    Request,
    pause_before,
    send,
)

T = TypeVar("T")

#: Calls that one request may have, and bytes of them: below what a server takes (24 MiB).
MAX_CALLS, MAX_BYTES = 1_000, 8 << 20
#: Seconds that one request waits for a job; the server allows 60.
POLL = 30.0
#: Seconds after the caller's deadline in which an answer is still taken.
GRACE = 1.0
#: Jobs of one page.
PAGE = 200


def enqueue(call: Call[Any], patience: float) -> Operation[str]:
    """Makes a job of a call, and answers with its id."""
    key = call.options.get("key") or str(uuid.uuid4())
    request = Request("POST", "/v1/jobs", body=encode(keyed(call, key)))
    try:
        answer = yield from send(request, patience)
    except LovageError as e:
        _doubted(e, key)
        raise
    return str(unpack(answer.body)["id"])


def _doubted(error: LovageError, key: str) -> None:
    """Tells the key by which nothing is made twice, where it may have been made."""
    if error.in_doubt:
        error.key = key
        error.add_note(
            f"it may have been enqueued all the same: enqueue it again with key={key!r}, "
            "and nothing is there twice"
        )


def enqueue_many(
    calls: Iterable[Call[Any]], key: str | None, patience: float
) -> Operation[list[str]]:
    """Makes jobs of calls, and answers with their ids in the same order. Each request is all
    or nothing; where it takes more than one, an error says what the former have made."""
    base = key or str(uuid.uuid4())
    packed = [_packed(call, n, base) for n, call in enumerate(calls)]
    ids: list[str] = []
    for part in _parts(packed):
        request = Request("POST", "/v1/jobs/batch", body=pack_list("jobs", part))
        try:
            answer = yield from send(request, patience)
            ids.extend(unpack(answer.body)["ids"])
        except LovageError as e:
            _of_part(e, ids, len(packed), base)
            raise
    return ids


def _packed(call: Call[Any], n: int, base: str) -> bytes:
    """The n-th of many calls; an error names its place as the server's would."""
    try:
        return encode(keyed(checked(call), f"{base}/{n}"))
    except Unsendable as e:
        e.within(n).within("jobs")
        raise
    except (TypeError, ValueError) as e:
        kind = TypeError if isinstance(e, TypeError) else ValueError
        raise kind(f"{e} (at /jobs/{n})") from e


def _parts(packed: list[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    held = 0
    for one in packed:
        if part and (len(part) == MAX_CALLS or held + len(one) > MAX_BYTES):
            yield part
            part, held = [], 0
        part.append(one)
        held += len(one)
    if part:
        yield part


def _of_part(error: LovageError, ids: list[str], calls: int, key: str) -> None:
    """Tells of an error of a part by the places that the calls have among all of them, and
    the key by which those that are there already are not made twice."""
    error.enqueued, error.calls, error.key = tuple(ids), calls, key
    if isinstance(error, ProblemError):
        error.errors = tuple(_moved(it, len(ids)) for it in error.errors)
    if ids or error.in_doubt:
        error.add_note(f"enqueue all of them again with key={key!r}, and none is there twice")


def _moved(place: Place, by: int) -> Place:
    head, _, rest = place.pointer.removeprefix("/jobs/").partition("/")
    if not place.pointer.startswith("/jobs/") or not head.isdigit():
        return place
    tail = f"/{rest}" if rest else ""
    return replace(place, pointer=f"/jobs/{int(head) + by}{tail}")


def job(id: str, patience: float) -> Operation[JobRecord]:
    """A job's record."""
    answer = yield from send(Request("GET", _job_path(id)), patience)
    return job_record(unpack(answer.body))


def jobs(
    filters: Mapping[str, str | None], limit: int, patience: float
) -> Operation[list[JobRecord]]:
    """Jobs that the filters let through, page after page."""
    params = {name: value for name, value in filters.items() if value is not None}
    if limit > PAGE and "state" not in params:
        raise ValueError(
            f"without `state`, `limit` is at most {PAGE}: name a state to get more"
        )
    found: list[JobRecord] = []
    while len(found) < limit:
        params["limit"] = str(min(limit - len(found), PAGE))
        answer = yield from send(Request("GET", "/v1/jobs", params), patience)
        page = unpack(answer.body)
        found.extend(job_record(it) for it in page["jobs"])
        if not page.get("next"):
            break
        params["cursor"] = page["next"]
    return found


def wait(id: str, deadline: Deadline, patience: float) -> Operation[JobRecord]:
    """A job's record, once it has ended."""

    def look(answer: Answer) -> JobRecord | None:
        record = job_record(unpack(answer.body))
        return record if record.ended else None

    return (yield from _poll("job", id, _job_path(id), look, deadline, patience))


def result(id: str, deadline: Deadline, patience: float) -> Operation[Any]:
    """A job's result, exactly as the task has answered, once it has completed."""

    def look(answer: Answer) -> tuple[Any] | None:
        return (unpack(answer.body),)

    path = f"{_job_path(id)}/result"
    while True:
        try:
            (value,) = yield from _poll("job", id, path, look, deadline, patience)
            return value
        except NoResult:
            record = yield from job(id, patience)
        if record.state == "cancelled":
            raise JobCancelled(record)
        if record.state == "discarded":
            raise JobFailed(record)
        # Somebody has requeued it meanwhile.
        if deadline.left() <= 0.001:
            raise WaitTimeout("job", id, deadline.seconds)
        yield Pause(min(pause_before(1), deadline.left()))


def value(id: str, what: str, patience: float) -> Operation[Any]:
    """A job's `input`, exactly as it was sent, or the text of its `log`."""
    accept = TEXT if what == "log" else MSGPACK
    request = Request("GET", f"{_job_path(id)}/{what}", accept=accept)
    answer = yield from send(request, patience)
    return answer.body.decode() if what == "log" else unpack(answer.body)


def change(id: str, what: str, patience: float) -> Operation[Fate]:
    """Has a job `cancel` or `requeue`."""
    # What has failed once more meanwhile would be run once more by a second `requeue`.
    request = Request("POST", f"{_job_path(id)}/{what}", repeatable=what == "cancel")
    answer = yield from send(request, patience)
    raw = unpack(answer.body)
    return Fate(raw["id"], raw["became"], raw.get("state"))


def run_flow(flow: Mapping[str, Any], key: str | None, patience: float) -> Operation[str]:
    """Runs a flow, and answers with its id."""
    key = key or str(uuid.uuid4())
    request = Request(
        "POST",
        "/v1/flows",
        body=to_json(flow, "the flow"),
        body_type=JSON,
        key=key,
    )
    try:
        answer = yield from send(request, patience)
    except LovageError as e:
        _doubted(e, key)
        raise
    return str(unpack(answer.body)["id"])


def flow(id: str, patience: float) -> Operation[FlowRecord]:
    """A flow's record."""
    answer = yield from send(Request("GET", _flow_path(id)), patience)
    return flow_record(unpack(answer.body))


def wait_flow(id: str, deadline: Deadline, patience: float) -> Operation[FlowRecord]:
    """A flow's record, once it has ended."""

    def look(answer: Answer) -> FlowRecord | None:
        record = flow_record(unpack(answer.body))
        return record if record.ended else None

    return (yield from _poll("flow", id, _flow_path(id), look, deadline, patience))


def flow_result(
    id: str, node: str | None, deadline: Deadline, patience: float
) -> Operation[Any]:
    """The result of a flow once it has completed; with `node`, that of a step now."""
    if node is None:
        record = yield from wait_flow(id, deadline, patience)
        if record.state != "completed":
            raise FlowFailed(record)
    params = {} if node is None else {"node": node}
    answer = yield from send(Request("GET", f"{_flow_path(id)}/result", params), patience)
    return unpack(answer.body)


def change_flow(id: str, what: str, patience: float) -> Operation[bool]:
    """Lets a flow `cancel` or `retry`, and says whether there was something to do."""
    # What has failed once more meanwhile would be run once more by a second `retry`.
    request = Request("POST", f"{_flow_path(id)}/{what}", repeatable=what == "cancel")
    answer = yield from send(request, patience)
    return bool(unpack(answer.body)["done"])


def _poll(
    what: str,
    id: str,
    path: str,
    look: Callable[[Answer], T | None],
    deadline: Deadline,
    patience: float,
) -> Operation[T]:
    """Asks until `look` finds what it looks for, or the time is up. An outage is sat out
    for as long as a single request's would be."""
    early, outage = 0, False
    while True:
        begun, left = time.monotonic(), deadline.left()
        # Whoever is away, or has no turn for those who wait, is asked for what there is now:
        # that tells soon whether it is back, whatever is left of the patience.
        held = 0.0 if outage else min(left, POLL)
        params = {"wait": f"{int(held * 1000)}ms"}
        request = Request("GET", path, params, silence=held + SILENCE, waits=not outage)
        most = patience if outage else request.silence
        found: T | None = None
        error: LovageError | None = None
        try:
            found = look((yield from send(request, min(most, left + GRACE))))
            outage = False
        except NotFinished:
            outage = False
        except TooManyRequests as e:
            # Whether and when to come again, `send` knows where nothing is held.
            if outage:
                raise
            error, outage = e, True
        except (ConnectionFailed, Unavailable, RequestTimeout) as e:
            if outage and most < left + GRACE:
                raise
            error, outage = e, True
        if found is not None:
            return found
        if deadline.left() <= 0.001:
            raise WaitTimeout(what, id, deadline.seconds) from error
        # Nobody is asked in a tight loop: a server that is told to stop answers at once.
        too_early = error is not None or time.monotonic() - begun < held / 2
        early = early + 1 if too_early else 0
        if early:
            yield Pause(min(pause_before(early), deadline.left()))


def _job_path(id: str) -> str:
    return f"/v1/jobs/{quote(id, safe='')}"


def _flow_path(id: str) -> str:
    return f"/v1/flows/{quote(id, safe='')}"
