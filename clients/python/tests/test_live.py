"""Against a real server: a `lovage dev` that the tests start, with the module `basics`."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from typed.generated_example import add, embed, whoami

from lovage_client import (
    Call,
    Duplicate,
    FlowFailed,
    InvalidArguments,
    JobCancelled,
    JobFailed,
    NotFound,
    Unique,
    WaitTimeout,
)


def test_a_call_and_its_result(live: Any) -> None:
    job = live.basics.add(a=2, b=3)
    assert job.result() == 5
    record = job.record()
    assert (record.state, record.task, record.ended) == ("completed", "basics.add", True)
    assert record.attempts[0].fuel > 0 and record.failure is None
    assert record.started and record.finished and record.finished >= record.started
    assert live.basics.add.within(20, a=-1, b=1) == 0


@pytest.mark.parametrize("value", [2**64 - 1, -(2**63), [None, True, {"ä": 1.5}], "text"])
def test_values_are_exact(live: Any, value: object) -> None:
    job = live.basics.echo(value=value)
    assert (job.result(), live.input(job.id)) == (value, {"value": value})


def test_bytes_are_bytes_however_many(live: Any) -> None:
    for length in (0, 100, 5_000_000):
        assert live.basics.bytes.within(20, length=length) == b"*" * length
    # Bytes go in as bytes, too: it is the task that takes none.
    job = live.basics.echo(value=b"\x00\xff")
    with pytest.raises(JobFailed, match="byte array"):
        job.result()
    assert live.input(job.id) == {"value": b"\x00\xff"}


def test_typed_calls_are_the_same_calls(live: Any) -> None:
    assert live.enqueue(add(a=1, b=1)).result() == 2
    assert set(live.enqueue(embed(text="abba")).result()) == {"vector", "together"}
    assert live.task(whoami).within(20)["task"] == "whoami"


def test_options_reach_the_task(live: Any) -> None:
    here = live.basics.whoami.with_options(
        retries=4, tags=["tagged", str(uuid.uuid4())], headers={"x": "y"}, timeout="7s"
    )
    job = here()
    seen = job.result()
    assert (seen["max_attempts"], seen["id"]) == (5, job.id) and seen["remaining_ms"] <= 7000
    assert ["x", "y"] in [list(it) for it in seen["headers"]]
    record = job.record()
    assert record.tags[0] == "tagged" and record.headers == {"x": "y"}
    assert [it.id for it in live.jobs(tag=record.tags[1])] == [job.id]


def test_a_key_makes_one_job(live: Any) -> None:
    key = str(uuid.uuid4())
    calls = [Call[Any]("basics.add", {"a": n, "b": n}) for n in range(3)]
    first = [job.id for job in live.enqueue_many(calls, key=key)]
    assert [job.id for job in live.enqueue_many(calls, key=key)] == first
    assert live.enqueue(calls[1], key=f"{key}/1").id == first[1]
    assert [live.result(id) for id in first] == [0, 2, 4]


def test_a_unique_job_refuses_a_second_and_not_its_own_repeat(live: Any) -> None:
    unique = Unique(key=str(uuid.uuid4()), conflict="reject")
    later = live.basics.add.with_options(eta=timedelta(hours=1), unique=unique, key=unique.key)
    job = later(a=1, b=1)
    assert later(a=1, b=1).id == job.id
    with pytest.raises(Duplicate, match=job.id) as caught:
        later.with_options(key=str(uuid.uuid4()))(a=1, b=1)
    assert caught.value.job == job.id
    assert job.record().state == "scheduled" and job.cancel().became == "cancelled"
    assert (job.cancel().became, job.cancel().state) == ("ended", "cancelled")
    with pytest.raises(JobCancelled):
        job.result()


def test_what_does_not_fit_is_told_by_its_place(live: Any) -> None:
    with pytest.raises(InvalidArguments) as caught:
        live.basics.add(a="x", b=1)
    assert caught.value.errors[0].pointer == "/args/a"
    calls = [Call[Any]("basics.add", {"a": n, "b": n}) for n in range(1001)]
    calls.append(Call("basics.add", {"a": 1, "b": "x"}))
    with pytest.raises(InvalidArguments) as caught:
        live.enqueue_many(calls)
    assert caught.value.errors[0].pointer == "/jobs/1001/args/b"
    assert len(caught.value.enqueued) == 1000
    with pytest.raises(NotFound, match="nowhere"):
        live.nowhere.task()


def test_a_failure_is_raised_with_its_job(live: Any) -> None:
    with pytest.raises(JobFailed) as caught:
        live.basics.fail.within(20, message="oh no", next="never")
    error = caught.value
    assert (error.kind, error.message, error.detail) == ("error", "oh no", "attempt 1")
    assert len(error.job.attempts) == 1 and error.job.state == "discarded"
    assert live.basics.flaky.within(20, succeed_at=2) == 2
    job = live.basics.panics(message="boom")
    with pytest.raises(JobFailed, match="boom"):
        job.result()
    assert "boom" in job.log()


def test_a_job_that_runs_is_waited_for_and_stopped(live: Any) -> None:
    job = live.basics.spin(ms=60_000)
    with pytest.raises(WaitTimeout, match=job.id):
        job.wait(0.5)
    assert any(it.state == "running" for it in job.progress(30))
    assert job.cancel().became == "asked"
    assert job.wait(20).state == "cancelled"
    assert job.requeue().became == "requeued"
    fate = job.requeue()
    assert fate.became == "kept" and fate.state in ("available", "running")
    job.cancel()


def test_progress_is_followed_to_the_end(live: Any) -> None:
    job = live.basics.spin.with_options(eta=3)(ms=1500)
    states = [it.state for it in job.progress(30)]
    assert states[-1] == "completed" and len(states) == len(set(states)) > 1


def test_events_tell_of_a_job(live: Any) -> None:
    job = live.basics.add.with_options(eta=5)(a=1, b=2)
    kinds = []
    for event in live.events(job=job.id, timeout=20):
        kinds += [event.data["kind"]] if event.name == "jobs" else []
        if "completed" in kinds:
            break
    assert kinds == ["started", "completed"]
    # Behind the first event there is the second.
    told = live.events(job=job.id, timeout=20)
    assert next(it for it in told if it.name == "progress").data["state"] == "completed"


def test_a_flow_is_run_waited_for_and_read(live: Any) -> None:
    adds = [{"task": "basics.add", "args": {"a": 1, "b": n}} for n in range(3)]
    total = {"task": "basics.sum", "results": {"values": "previous"}}
    flow = live.run_flow({"name": "sums", "chain": [{"group": adds}, total]})
    assert flow.result() == 6 and flow.result(node="chain[0]") == [1, 2, 3]
    record = flow.record()
    assert (record.name, record.state, record.completed) == ("sums", "completed", 4)
    assert flow.cancel() is False


def test_a_flow_that_fails_is_an_error_and_goes_on(live: Any) -> None:
    flow = live.run_flow({"task": "basics.fail", "args": {"message": "no", "next": "never"}})
    with pytest.raises(FlowFailed, match="1 of 1 calls failed"):
        flow.result()
    assert flow.retry() is True
    assert flow.wait().state == "failed"
