"""Event streams: taken apart in any pieces, and gone on with where they broke off."""

import json
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from fake import Fake, Handler, hung_up, problem

from lovage_client import ConnectionFailed, Event, Unauthorized, WaitTimeout, WrongAnswer
from lovage_client.events import Parser

STREAM = (
    ": a comment\r\n\r\n"
    'event: jobs\r\ndata: {"kind": "started",\r\ndata:  "task": "m.t"}\r\nid: 1\r\n\r\n'
    'event: gap\ndata: {}\nid:\n\ndata: "no object"\nretry: 5\nunknown\n\n'
    'event: progress\rdata: {"message": "größer"}\r\r'
)
EVENTS = [
    Event("jobs", {"kind": "started", "task": "m.t"}, "1"),
    Event("gap", {}, ""),
    Event("message", {}, None),
    Event("progress", {"message": "größer"}, None),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_stream_is_read_in_any_pieces(size: int) -> None:
    parser, bytes_ = Parser(), (STREAM + "\n").encode()
    pieces = [bytes_[at : at + size] for at in range(0, len(bytes_), size)]
    assert [event for piece in pieces for event in parser.feed(piece)] == EVENTS


def test_what_is_no_event_of_ours_is_told() -> None:
    with pytest.raises(WrongAnswer, match="no JSON"):
        list(Parser().feed(b"data: hello\n\n"))


def stream(*pieces: str) -> Any:
    """A route that sends these, one a connection, and breaks each off."""
    left = list(pieces)

    def route(handler: Handler, _: bytes) -> None:
        handler.stream(left.pop(0) if left else "")

    return route


def jobs(n: int) -> str:
    return f'event: jobs\ndata: {{"n": {n}}}\nid: {n}\n\n'


def progress(state: str, share: float | None = None) -> str:
    said = {"share": share, "message": None} if share else None
    data = json.dumps({"id": "j", "state": state, "progress": said})
    return f"event: progress\ndata: {data}\n\n"


def headers(fake: Fake) -> list[str | None]:
    return [head.get("Last-Event-ID") for _, _, head, _ in fake.seen]


def test_a_stream_goes_on_where_it_broke_off(client: Any, fake: Fake) -> None:
    fake.routes["GET /v1/events"] = stream(jobs(1) + jobs(2) + jobs(3)[:20], jobs(3), jobs(4))
    fake.faults = [None, hung_up, problem(503, "unavailable", "0"), None]
    seen = client.events(task="m.t", after="0")
    assert [next(seen).data["n"] for _ in range(4)] == [1, 2, 3, 4]
    seen.close()
    assert headers(fake) == [None, "2", "2", "2", "3"]
    assert fake.seen[0][1] == "/v1/events?task=m.t&after=0"
    assert fake.seen[1][1] == "/v1/events?task=m.t"


def test_what_happened_before_the_first_event_may_be_missed(client: Any, fake: Fake) -> None:
    fake.routes["GET /v1/events"] = stream(": alive\n\n", jobs(7), jobs(8))
    seen = client.events()
    assert [next(seen).name for _ in range(3)] == ["gap", "jobs", "jobs"]
    seen.close()
    fake.routes["GET /v1/events"] = stream("", jobs(7))
    assert next(client.events(after="6")).name == "jobs"


def test_a_stream_goes_on_from_where_it_began(client: Any, fake: Fake) -> None:
    fake.routes["GET /v1/events"] = stream("id: 6\n\nid: 9\n", jobs(7))
    assert next(client.events()).name == "jobs"
    assert headers(fake) == [None, "6"]


def test_progress_is_told_once_and_until_the_end(client: Any, fake: Fake) -> None:
    fake.routes["GET /v1/events"] = stream(
        progress("available") + jobs(1) + progress("running", 0.5),
        progress("running", 0.5) + progress("running", 0.75),
        progress("completed") + progress("never told"),
    )
    seen = [(it.state, it.share) for it in client.progress("j")]
    assert seen == [
        ("available", None),
        ("running", 0.5),
        ("running", 0.75),
        ("completed", None),
    ]


def test_progress_ends_with_the_callers_time(client: Any, fake: Fake) -> None:
    def quiet(handler: Handler, _: bytes) -> None:
        handler.stream(progress("running"))
        time.sleep(30.0)

    fake.routes["GET /v1/events"] = quiet
    begun = time.monotonic()
    with pytest.raises(WaitTimeout, match="job j"):
        list(client.progress("j", 0.4))
    assert 0.4 <= time.monotonic() - begun < 20
    assert [it.name for it in client.events(timeout=3.0)] == ["progress"]


def test_a_server_that_is_alive_keeps_nobody_past_the_deadline(client: Any, fake: Fake) -> None:
    def quiet(handler: Handler, _: bytes) -> None:
        handler.stream(": alive\n\n")
        time.sleep(4.0)
        handler.wfile.write(b": alive\n\n")
        time.sleep(30.0)

    fake.routes["GET /v1/events"] = quiet
    begun = time.monotonic()
    assert list(client.events(timeout=5.0)) == []
    # A word that began its time anew would keep it until 9 s.
    assert 5.0 <= time.monotonic() - begun < 9.0


@pytest.mark.parametrize("method", ["events", "progress"])
def test_a_stream_that_is_left_early_is_closed(client: Any, fake: Fake, method: str) -> None:
    left = threading.Event()

    def endless(handler: Handler, _: bytes) -> None:
        handler.stream(progress("running"))
        with suppress(OSError):
            for _round in range(6000):
                handler.wfile.write(b": alive\n\n")
                time.sleep(0.01)
            return
        left.set()

    fake.routes["GET /v1/events"] = endless
    seen = client.events() if method == "events" else client.progress("j")
    next(seen)
    seen.close()
    assert left.wait(30.0)


def test_somebody_elses_page_is_no_stream(client: Any, fake: Fake) -> None:
    fake.routes["GET /v1/events"] = lambda handler, _: handler.reply(200, "a page")
    with pytest.raises(WrongAnswer, match="is a Lovage server at that address"):
        next(client.events(timeout=20.0))
    assert len(fake.seen) == 1


def test_a_token_that_is_revoked_ends_a_stream(client: Any, fake: Fake) -> None:
    fake.routes["GET /v1/events"] = stream(jobs(1))
    fake.faults = [None, problem(401, "unauthorized")]
    seen = client.events()
    assert next(seen).id == "1"
    with pytest.raises(Unauthorized):
        next(seen)


def test_an_outage_of_more_than_the_clients_patience_ends_a_stream(
    client: Any, fake: Fake
) -> None:
    fake.faults = [hung_up] * 1000
    with pytest.raises(ConnectionFailed, match="GET /v1/events"):
        next(client.with_timeout(2.0).events())
    assert len(fake.seen) >= 2
