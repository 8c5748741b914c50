"""What a task asks of its host, and what stands in for one in tests."""

import importlib
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import MagicMock

import pytest

from lovage import CallError, DeclarationError, bucket, config, context, http, jobs
from lovage._msgpack import DEPTH
from lovage.testing import DIGEST, Context, Progress


@dataclass
class State:
    at: int
    seen: list[str]


def test_the_job_is_the_one_that_the_test_says() -> None:
    with Context(
        id="i", tenant="t", module="m", task="k", queue="q", attempt=2, headers={"a": "b"}
    ):
        told = (
            context.id(),
            context.tenant(),
            context.module(),
            context.task(),
            context.queue(),
            context.attempt(),
            context.max_attempts(),
            context.headers(),
        )
        assert told == ("i", "t", "m", "k", "q", 2, 5, {"a": "b"})
        assert context.batch() == [context.current()]
        with Context(attempt=3):
            assert context.attempt() == 3
        assert context.attempt() == 2
    assert context.attempt() == 1


def test_time_and_cancelling() -> None:
    answers = iter([False, True])
    with Context(remaining="2s", cancelled=lambda: next(answers)):
        assert context.remaining() == timedelta(seconds=2)
        assert [context.cancelled(), context.cancelled()] == [False, True]


def test_progress_is_told_in_order() -> None:
    with Context() as told:
        context.progress(0.5, "half")
        context.progress(message="more")
        with pytest.raises(CallError, match="between 0 and 1"):
            context.progress(2)
    assert told.progress == [Progress(0.5, "half"), Progress(None, "more")]


def test_a_checkpoint_is_kept_between_attempts() -> None:
    with Context() as first:
        assert context.restore() is None
        context.checkpoint(State(3, ["a"]))
    assert first.state == {"at": 3, "seen": ["a"]}
    with first.next_attempt() as second:
        assert context.attempt() == 2
        saved = context.restore(State)
        assert saved is not None
        assert (saved.digest, saved.state) == (DIGEST, State(3, ["a"]))
        with pytest.raises(CallError, match="cannot be decoded"):
            context.restore(int)
        with pytest.raises(DeclarationError, match="`complex` has no JSON Schema"):
            context.restore(complex)
    assert second.state is None
    with second.next_attempt():
        kept: context.Saved[Any] | None = context.restore()
        assert kept is not None and kept.state["at"] == 3


def test_a_state_without_a_form_or_too_large() -> None:
    with Context(), pytest.raises(CallError, match="cannot be encoded: at `a`: a `complex`"):
        context.checkpoint({"a": 1j})
    with Context(), pytest.raises(CallError) as raised:
        context.checkpoint(bytes(1 << 20))
    assert raised.value.kind == "limit"


def test_what_is_set_is_enqueued() -> None:
    with Context() as told:
        first = jobs.enqueue(
            "a.b",
            {"n": 1, "state": State(1, []), "data": b"x"},
            key="k",
            queue="q",
            lane="l",
            priority=9,
            delay="1s",
            max_attempts=2,
            headers={"h": "v"},
            at_once=True,
        )
        others = jobs.enqueue_all([jobs.NewJob("a.c"), jobs.NewJob("a.d", {"n": 2})])
    assert len({first, *others}) == 3
    assert [job.id for job in told.jobs] == [first, *others]
    job = told.jobs[0]
    assert job.args == {"n": 1, "state": {"at": 1, "seen": []}, "data": b"x"}
    assert (job.key, job.queue, job.lane, job.priority) == ("k", "q", "l", 9)
    assert (job.delay, job.max_attempts) == (timedelta(seconds=1), 2)
    assert (job.headers, job.at_once) == ({"h": "v"}, True)
    assert (told.jobs[1].delay, told.jobs[1].at_once) == (None, False)


def test_a_job_that_makes_no_sense_is_named_and_none_is_enqueued() -> None:
    deep: list[Any] = []
    for _ in range(DEPTH - 1):
        deep = [deep]
    wrong = [
        (jobs.NewJob("a.b", {"n": 1j}), "argument `n` of `a.b` cannot be encoded"),
        (jobs.NewJob("a.b", {"n": deep}), "argument `n` of `a.b` cannot be encoded: values are"),
        (jobs.NewJob("a.b", priority=10), "`priority` of a new `a.b`"),
        (jobs.NewJob("a.b", delay="1"), "`delay` of a new `a.b`: `1` is not a duration"),
        (jobs.NewJob("a.b", max_attempts=0), "`max_attempts` of a new `a.b`"),
    ]
    for job, said in wrong:
        with Context() as told, pytest.raises(CallError, match="invalid") as raised:
            jobs.enqueue_all([jobs.NewJob("a.c"), job])
        assert said in str(raised.value)
        assert told.jobs == []


def test_flows_and_pages() -> None:
    flow = {"group": [{"task": "a.b"}]}
    with Context() as told:
        assert jobs.enqueue_flow(flow, key="k", at_once=True)
        jobs.enqueue_page([jobs.NewJob("a.b")], 1_000, open=2_000)
        with pytest.raises(CallError, match="the flow cannot be encoded"):
            jobs.enqueue_flow({"group": object()})
    (made,) = told.flows
    assert (made.flow, made.key, made.at_once) == (flow, "k", True)
    assert (len(told.jobs), told.open, told.state) == (1, 2_000, 1_000)


def test_values_are_those_of_the_test() -> None:
    with Context(config={"smtp-host": "mail.example.com"}):
        assert config.get("smtp-host") == "mail.example.com"
        assert config.get("other") is None


def test_requests_are_answered_by_the_test() -> None:
    def answer(request: http.Request) -> http.Response:
        return http.Response(200, request.body, [("content-type", "application/json")])

    with Context(http=answer) as told:
        got = http.post("https://example.com/a?b", json_body={"n": 1}, timeout="2s")
        assert (got.status, got.json(), got.text()) == (200, {"n": 1}, '{"n": 1}')
        assert (got.header("Content-Type"), got.header("etag")) == ("application/json", None)
        http.get("http://example.com", headers={"accept": "text/plain", "x-n": 5})  # type: ignore[dict-item]
        for wrong in ("example.com", "ftp://example.com/", "https:///a", "http://[::1"):
            with pytest.raises(CallError, match="is no URL"):
                http.get(wrong)
    first, second = told.requests
    assert (first.method, first.timeout_ms) == ("POST", 2_000)
    assert first.headers == {"content-type": "application/json"}
    assert (second.method, second.headers) == ("GET", {"accept": "text/plain", "x-n": "5"})
    with Context(), pytest.raises(CallError, match="the test answers no `GET"):
        http.get("http://a.b")


class _Spans:
    """`RequestOptions` of `wasi:http`."""

    connect = first_byte = 0

    def set_connect_timeout(self, span: int) -> None:
        self.connect = span

    def set_first_byte_timeout(self, span: int) -> None:
        self.first_byte = span


def test_a_timeout_is_what_the_host_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # What there is in the sandbox alone.
    for name in ("componentize_py_types", "wit_world", "wit_world.imports"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    outgoing = importlib.import_module("lovage._outgoing")
    del sys.modules["lovage._outgoing"]
    monkeypatch.setattr(outgoing.wasi, "RequestOptions", _Spans)
    for ms in (1, 2_000, 2_001):
        options = outgoing._options(http.Request("GET", "http://a.b", timeout_ms=ms))
        assert options.connect > 0 and options.first_byte > 0
        assert options.connect + options.first_byte == ms * 1_000_000
    assert outgoing._options(http.Request("GET", "http://a.b")) is None


def test_a_bucket_keeps_what_is_written() -> None:
    with Context(buckets={"sessions": {"ann": b"1"}}) as told:
        sessions = bucket.open("sessions")
        assert sessions.get("ann") == b"1" and sessions.get("bob") is None
        sessions.set("bob", "é")
        sessions.set_many({"cy": b"3", "dee": b"4"})
        assert sessions.get_many(["bob", "eve", "cy"]) == {"bob": "é".encode(), "cy": b"3"}
        sessions.delete("cy")
        sessions.delete_many(["dee", "eve"])
        assert (sessions.exists("bob"), sessions.exists("cy")) == (True, False)
        assert list(sessions.keys()) == ["ann", "bob"]
        assert (sessions.increment("visits"), sessions.increment("visits", -3)) == (1, -2)
        with pytest.raises(CallError, match="is no number"):
            sessions.increment("bob")
        with pytest.raises(CallError, match="bytes or a text, not a `int`"):
            sessions.set("visits", 5)  # type: ignore[arg-type]
        assert sessions.swap("ann", b"1", "2") and not sessions.swap("ann", None, "3")
        assert sessions.swap("new", None, b"x")
    assert told.buckets["sessions"]["ann"] == b"2"
    with Context(buckets={"many": {f"{n:04}": b"" for n in range(2_500)}}):
        assert len(list(bucket.open("many").keys())) == 2_500
