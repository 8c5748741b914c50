"""Waiting for jobs: asked again and again, and never for longer than the caller likes."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from both import blocking_clients
from fake import Fake, Fault, Handler, hung_up, problem

from lovage_client import (
    ConnectionFailed,
    JobCancelled,
    JobFailed,
    NotFound,
    RateLimited,
    WaitTimeout,
)

Route = Callable[[Handler, bytes], None]
UNFINISHED = problem(409, "not-finished")
FAILURE = {"kind": "image", "message": "no image", "detail": "Traceback…"}
ATTEMPT = {
    "ending": "failed", "worker": "w", "release": 1, "digest": "d", "seconds": 0.5, "fuel": 7,
    "peak_memory": 8, "log": "line", "failure": FAILURE, "started": "2027-01-31T09:00:00Z",
}  # fmt: skip


def says(status: int, value: object) -> Route:
    return lambda handler, _: handler.reply(status, value)


def shows(fake: Fake, state: str, **more: object) -> None:
    fake.routes["GET /v1/jobs/j"] = says(200, fake.record("j", state, **more))


def gives(fake: Fake, value: object) -> None:
    fake.routes["GET /v1/jobs/j/result"] = says(200, value)


def gives_none(fake: Fake) -> None:
    refuse = problem(422, "job-failed")

    def route(handler: Handler, body: bytes) -> None:
        refuse(handler, body)

    fake.routes["GET /v1/jobs/j/result"] = route


@pytest.mark.parametrize(
    "value", [None, False, b"\x00\xff", 2**64 - 1, -(2**63), {"a": [1, {7: "x"}]}]
)
def test_a_result_is_what_the_task_answered(client: Any, fake: Fake, value: object) -> None:
    gives(fake, value)
    assert client.result("j") == value
    assert fake.seen[0][1] == "/v1/jobs/j/result?wait=30000ms"
    assert fake.seen[0][2]["Accept"] == "application/msgpack"


def test_it_is_asked_for_until_it_is_there(client: Any, fake: Fake) -> None:
    gives(fake, 7)
    # As a server answers that is told to stop, then one that is gone, then one that is new.
    fake.faults = [UNFINISHED, UNFINISHED, hung_up, problem(503, "unavailable"), None]
    assert client.result("j", None) == 7
    assert len(fake.seen) == 5


def test_a_server_that_answers_at_once_is_not_asked_in_a_tight_loop(
    client: Any, fake: Fake
) -> None:
    fake.faults = [UNFINISHED] * 1000
    with pytest.raises(WaitTimeout):
        client.result("j", 3.0)
    assert 2 <= len(fake.seen) <= 30


def test_a_wait_that_is_too_short_says_that_the_job_goes_on(client: Any, fake: Fake) -> None:
    shows(fake, "running")
    begun = time.monotonic()
    with pytest.raises(
        WaitTimeout, match=r"job j has not ended within 0.3 s; it goes on"
    ) as it:
        client.wait("j", 0.3)
    assert (it.value.id, it.value.seconds) == ("j", 0.3)
    assert 0.3 <= time.monotonic() - begun < 10
    assert isinstance(it.value, TimeoutError)


def test_no_time_at_all_is_a_look(client: Any, fake: Fake) -> None:
    shows(fake, "completed")
    assert client.wait("j", 0).state == "completed"
    shows(fake, "running")
    with pytest.raises(WaitTimeout):
        client.wait("j", 0)
    assert all(path.endswith("wait=0ms") for _, path, *_ in fake.seen) and len(fake.seen) == 2


def test_a_server_that_hangs_keeps_nobody_past_the_deadline(client: Any, fake: Fake) -> None:
    def hang(_: Handler, __: bytes) -> bool:
        time.sleep(30.0)
        return False

    fake.faults = [hang]
    begun = time.monotonic()
    with pytest.raises(WaitTimeout) as caught:
        client.result("j", 0.5)
    assert isinstance(caught.value.__cause__, ConnectionFailed)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_those_who_wait_do_not_stand_in_the_way(
    kind: str, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lovage_client.pools.WAITS", 0)
    clients = blocking_clients(kind, fake.url, 5.0)
    client = next(clients)
    with pytest.raises(WaitTimeout) as caught:
        client.wait("j", 0.3)
    assert "waits are all under way" in str(caught.value.__cause__) and fake.seen == []
    assert client.enqueue("m.t").id == "job-0"
    assert next(clients, None) is None


def held(handler: Handler, body: bytes) -> bool:
    """Answers when the wait is over that was asked for, as the real server does."""
    wait = parse_qs(handler.path.partition("?")[2])["wait"][0]
    time.sleep(int(wait.removesuffix("ms")) / 1000)
    return UNFINISHED(handler, body)


def breaks_after(seconds: float) -> Fault:
    def fault(handler: Handler, body: bytes) -> bool:
        time.sleep(seconds)
        return hung_up(handler, body)

    return fault


def test_a_short_outage_in_the_middle_of_a_wait_goes_unnoticed(
    client: Any, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lovage_client.operations.POLL", 3.0)
    fake.faults = [breaks_after(0.7), held, held, None]
    gives(fake, 7)
    # What is left of the patience is less than the server holds a request for.
    assert client.with_timeout(2.0).result("j", 60.0) == 7
    waits = [path.partition("wait=")[2] for _, path, *_ in fake.seen]
    assert waits == ["3000ms", "0ms", "3000ms", "3000ms"]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_whoever_has_no_turn_to_wait_hears_of_the_end_all_the_same(
    kind: str, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lovage_client.pools.WAITS", 0)
    monkeypatch.setattr("lovage_client.operations.POLL", 0.1)
    monkeypatch.setattr("lovage_client.operations.SILENCE", 0.1)
    fake.faults = [UNFINISHED, UNFINISHED, None]
    gives(fake, 7)
    clients = blocking_clients(kind, fake.url, 5.0)
    assert next(clients).result("j", 60.0) == 7
    assert {path for _, path, *_ in fake.seen} == {"/v1/jobs/j/result?wait=0ms"}
    assert next(clients, None) is None


def test_a_wait_that_comes_too_often_is_told_or_sat_out(client: Any, fake: Fake) -> None:
    gives(fake, 7)
    fake.faults = [problem(429, "rate-limited", "0")] * 2 + [None]
    assert client.result("j", 60.0) == 7
    fake.faults = [problem(429, "rate-limited", "60")] * 2
    with pytest.raises(RateLimited):
        client.result("j", 60.0)


def test_an_outage_of_more_than_the_clients_patience_ends_a_wait(fake: Fake) -> None:
    from lovage_client import Client

    fake.faults = [hung_up] * 1000
    # So short that a poll's own time does not count.
    with (
        Client(fake.url, timeout=0.3) as client,
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(ConnectionFailed),
    ):
        patch.setattr("lovage_client.operations.POLL", 0.1)
        client.result("j", 60.0)


def test_a_failed_job_is_raised_with_all_that_is_known(client: Any, fake: Fake) -> None:
    gives_none(fake)
    shows(fake, "discarded", attempts=[ATTEMPT])
    with pytest.raises(JobFailed) as caught:
        client.result("j")
    error = caught.value
    assert (error.kind, error.message, error.detail) == tuple(FAILURE.values())
    assert str(error) == "job j of `m.t` failed: image: no image"
    assert error.__notes__ == ["Traceback…"]
    attempt = error.job.attempts[0]
    assert (attempt.fuel, attempt.log, attempt.ended) == (7, "line", None)
    assert error.job.tags == ("a", "b") and error.job.headers == {"x": "y"}
    assert error.job.enqueued and error.job.enqueued.microsecond == 500_000


def test_a_job_that_expired_says_so(client: Any, fake: Fake) -> None:
    gives_none(fake)
    expired = {**ATTEMPT, "ending": "expired", "failure": None, "started": None}
    shows(fake, "cancelled", attempts=[expired])
    with pytest.raises(JobCancelled) as caught:
        client.result("j")
    assert (caught.value.kind, caught.value.detail) == ("expired", None)
    assert str(caught.value) == "job j of `m.t` was cancelled: expired"
    shows(fake, "cancelled")
    with pytest.raises(JobCancelled, match=r"job j of `m\.t` was cancelled$"):
        client.result("j")


@pytest.mark.parametrize(
    ("kind", "message", "said"),
    [
        ("cancelled", "cancelled while it ran", "was cancelled while it ran"),
        ("cancelled", "by hand", "was cancelled: by hand"),
        ("cancelled", "", "was cancelled"),
        ("upstream", "cancelled with its flow", "was cancelled: upstream: cancelled with"),
    ],
)
def test_a_job_that_was_cancelled_says_so_once(
    client: Any, fake: Fake, kind: str, message: str, said: str
) -> None:
    gives_none(fake)
    failure = {"kind": kind, "message": message}
    shows(fake, "cancelled", attempts=[{**ATTEMPT, "ending": "cancelled", "failure": failure}])
    with pytest.raises(JobCancelled) as caught:
        client.result("j")
    assert str(caught.value).startswith(f"job j of `m.t` {said}")
    assert (caught.value.kind, caught.value.message) == (kind, message)


def test_a_timeout_is_a_span(client: Any, fake: Fake) -> None:
    for id in ("job-0", "job-1"):
        fake.routes[f"GET /v1/jobs/{id}/result"] = says(200, 7)
    fake.routes["GET /v1/jobs/job-0"] = says(200, fake.record("job-0", "completed"))
    brief = client.with_timeout("2s")
    job = brief.enqueue("m.t")
    assert job.result(timeout="30s") == job.result(timeout=timedelta(seconds=1)) == 7
    assert job.wait("30s").state == "completed"
    assert brief.m.t.within("30s") == 7
    made = len(fake.jobs)
    asked: list[Callable[[], Any]] = [
        lambda: client.with_timeout("soon"),
        lambda: client.m.t.within("soon"),
        lambda: job.wait("soon"),
        lambda: client.wait_flow("f", "soon"),
        lambda: client.flow_result("f", timeout="soon"),
        lambda: list(client.progress("j", "soon")),
        lambda: list(client.events(timeout="soon")),
    ]
    for ask in asked:
        with pytest.raises(ValueError, match="as in '30s', not 'soon'"):
            ask()
    assert len(fake.jobs) == made


def test_a_job_that_is_requeued_meanwhile_is_waited_for(client: Any, fake: Fake) -> None:
    gives(fake, "at last")
    fake.faults = [problem(422, "job-failed"), None, None]
    shows(fake, "available")
    assert client.result("j") == "at last"


def test_a_result_that_never_comes_is_not_waited_for_past_the_deadline(
    client: Any, fake: Fake
) -> None:
    gives_none(fake)
    shows(fake, "available")
    with pytest.raises(WaitTimeout, match=r"within 0\.3 s"):
        client.result("j", 0.3)
    assert len(fake.seen) < 20


def test_a_job_that_is_not_there_is_no_reason_to_wait(client: Any, fake: Fake) -> None:
    fake.faults = [problem(404, "not-found")]
    with pytest.raises(NotFound):
        client.wait("../j?x", None)
    assert fake.seen[0][1].startswith("/v1/jobs/..%2Fj%3Fx?")


def test_lists_go_on_page_after_page(client: Any, fake: Fake) -> None:
    asked: list[str] = []

    def page(handler: Handler, _: bytes) -> None:
        asked.append(handler.path.partition("?")[2])
        jobs = [fake.record(f"j{len(asked)}{n}", "completed") for n in range(2)]
        handler.reply(200, {"jobs": jobs, "next": f"{len(asked)}-0", "complete": True})

    fake.routes["GET /v1/jobs"] = page
    found = client.jobs(state="completed", limit=4)
    assert [it.id for it in found] == ["j10", "j11", "j20", "j21"]
    assert asked == ["state=completed&limit=4", "state=completed&limit=2&cursor=1-0"]
    with pytest.raises(ValueError, match="name a state"):
        client.jobs(limit=201)
