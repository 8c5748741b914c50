"""No second job, whatever becomes of an answer; and no request for ever."""

import socket
import time
from typing import Any

import msgpack
import pytest
from fake import Fake, hung_up, lost_answer, problem, silent

from lovage_client import (
    Call,
    ConnectionFailed,
    Forbidden,
    Invalid,
    InvalidArguments,
    LovageError,
    QueueFull,
    Quota,
    Unavailable,
)


def keys(fake: Fake) -> list[str]:
    return [msgpack.unpackb(body)["key"] for *_, body in fake.seen]


def test_an_answer_that_is_lost_makes_no_second_job(client: Any, fake: Fake) -> None:
    fake.faults = [lost_answer, lost_answer, None]
    job = client.images.thumbnail(image=b"\x00\xff", max_side=200)
    assert (job.id, fake.jobs) == ("job-0", {keys(fake)[0]: "job-0"})
    assert len(fake.seen) == 3 and len(set(keys(fake))) == 1
    assert msgpack.unpackb(fake.seen[2][3])["args"] == {"image": b"\x00\xff", "max_side": 200}


def test_an_answer_that_is_late_makes_no_second_job(client: Any, fake: Fake) -> None:
    fake.faults = [silent(30.0), None]
    patient = client.with_timeout(0.5)
    with pytest.raises(ConnectionFailed, match="silent for too long") as caught:
        patient.enqueue("m.t")
    again = client.enqueue("m.t", key=caught.value.key)
    assert (again.id, len(fake.jobs)) == ("job-0", 1)
    assert caught.value.in_doubt and "key=" in caught.value.__notes__[0]


def test_each_call_has_a_key_of_its_own(client: Any, fake: Fake) -> None:
    call = Call[Any]("m.t")
    assert [client.enqueue(call).id, client.enqueue(call).id] == ["job-0", "job-1"]
    assert client.enqueue(call, key="mine").id == client.enqueue(call, key="mine").id


def test_batches_are_keyed_call_by_call(client: Any, fake: Fake) -> None:
    fake.faults = [lost_answer, None]
    calls = [Call[Any]("m.t", key="mine"), Call[Any]("m.t"), Call[Any]("m.t")]
    jobs = client.enqueue_many(calls, key="import")
    assert [job.id for job in jobs] == ["job-0", "job-1", "job-2"]
    assert list(fake.jobs) == ["mine", "import/1", "import/2"]


def test_a_full_queue_is_waited_for_as_long_as_it_says(client: Any, fake: Fake) -> None:
    fake.faults = [problem(429, "queue-full", "1"), None]
    begun = time.monotonic()
    client.enqueue("m.t")
    assert 1.0 <= time.monotonic() - begun < 10 and len(fake.seen) == 2


def test_it_is_not_waited_for_longer_than_the_caller_likes(client: Any, fake: Fake) -> None:
    fake.faults = [problem(429, "queue-full", "60")]
    with pytest.raises(QueueFull) as caught:
        client.enqueue("m.t")
    assert (caught.value.retry_after, caught.value.status, len(fake.seen)) == (60.0, 429, 1)


def test_a_quota_that_time_does_not_lift_is_told_at_once(client: Any, fake: Fake) -> None:
    fake.faults = [problem(429, "quota")]
    with pytest.raises(Quota) as caught:
        client.enqueue("m.t")
    assert (caught.value.retry_after, len(fake.seen)) == (None, 1)


def test_a_server_that_is_away_for_a_moment_goes_unnoticed(client: Any, fake: Fake) -> None:
    proxy = problem(502, "what", again=None, type="about:blank")
    fake.faults = [problem(503, "unavailable"), proxy, hung_up, None]
    assert client.enqueue("m.t").id == "job-0"
    assert len(set(keys(fake))) == 1


def test_a_server_that_stays_away_is_told_with_the_key(client: Any, fake: Fake) -> None:
    fake.faults = [problem(503, "unavailable")] * 100
    with pytest.raises(Unavailable, match="it is unavailable") as caught:
        client.with_timeout(2.0).enqueue("m.t")
    assert {caught.value.key} == set(keys(fake)) and len(fake.seen) >= 2


def test_what_will_not_get_better_is_not_repeated(client: Any, fake: Fake) -> None:
    errors = [{"pointer": "/args/a", "detail": "no number"}]
    fake.faults = [problem(422, "invalid-arguments", errors=errors), problem(403, "forbidden")]
    with pytest.raises(InvalidArguments) as caught:
        client.enqueue("m.t")
    assert [(it.pointer, it.detail) for it in caught.value.errors] == [("/args/a", "no number")]
    with pytest.raises(Forbidden):
        client.enqueue("m.t")
    assert len(fake.seen) == 2


def test_nobody_there_is_an_error_that_says_where(client: Any, fake: Fake) -> None:
    from lovage_client import Client

    # Held and never listened at: so it is nobody else's meanwhile.
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with Client(url, timeout=0.4) as nobody, pytest.raises(ConnectionFailed) as caught:
            nobody.enqueue("m.t")
    assert url in str(caught.value) and "POST /v1/jobs" in str(caught.value)
    assert not caught.value.in_doubt and caught.value.key is None


def test_a_flow_is_begun_again_with_its_key(client: Any, fake: Fake) -> None:
    fake.routes["POST /v1/flows"] = lambda it, _: it.reply(201, {"id": "f", "name": "flow"})
    fake.faults = [hung_up, problem(503, "unavailable", "0"), None]
    assert client.run_flow({"task": "m.t"}).id == "f"
    fake.faults = [hung_up, problem(422, "invalid")]
    with pytest.raises(Invalid) as caught:
        client.run_flow({"task": "m.t"}, key="mine")
    assert caught.value.in_doubt and caught.value.key == "mine"
    keys = [head.get("Idempotency-Key") for _, _, head, _ in fake.seen]
    assert keys == [keys[0]] * 3 + ["mine"] * 2 and keys[0]


def test_a_flow_is_cancelled_again_and_retried_once(client: Any, fake: Fake) -> None:
    for what in ("cancel", "retry"):
        fake.routes[f"POST /v1/flows/f/{what}"] = lambda it, _: it.reply(200, {"done": True})
    fake.faults = [hung_up, None]
    assert client.cancel_flow("f") is True
    # It may have failed once more since.
    fake.faults = [hung_up]
    with pytest.raises(ConnectionFailed) as caught:
        client.retry_flow("f")
    assert caught.value.in_doubt and len(fake.seen) == 3


def test_a_job_is_requeued_once(client: Any, fake: Fake) -> None:
    became = {"id": "j", "became": "requeued"}
    fake.routes["POST /v1/jobs/j/requeue"] = lambda it, _: it.reply(200, became)
    fake.faults = [problem(429, "rate-limited", "0")]
    assert client.requeue("j").became == "requeued" and len(fake.seen) == 2
    for fault in (hung_up, problem(503, "unavailable", "0")):
        seen, fake.faults = len(fake.seen), [fault]
        with pytest.raises(LovageError) as caught:
            client.requeue("j")
        assert caught.value.in_doubt and len(fake.seen) == seen + 1


def test_what_only_reads_leaves_no_doubt(client: Any, fake: Fake) -> None:
    fake.faults = [hung_up] * 100
    with pytest.raises(ConnectionFailed) as caught:
        client.with_timeout(0.3).job("j")
    assert not caught.value.in_doubt


def test_a_refusal_after_a_lost_answer_leaves_a_doubt(client: Any, fake: Fake) -> None:
    fake.faults = [lost_answer, problem(429, "queue-full", "60")]
    with pytest.raises(QueueFull) as caught:
        client.enqueue("m.t")
    assert caught.value.in_doubt and [caught.value.key] == list(fake.jobs)
    fake.faults = [None, lost_answer, problem(429, "quota")]
    calls = [Call[Any]("m.t") for _ in range(1001)]
    with pytest.raises(Quota) as refused:
        client.enqueue_many(calls)
    assert len(refused.value.enqueued) == 1000 and len(fake.jobs) == 1002
    assert len(client.enqueue_many(calls, key=refused.value.key)) == 1001
    assert len(fake.jobs) == 1002


def test_a_part_that_fails_says_what_was_enqueued_before(client: Any, fake: Fake) -> None:
    errors = [
        {"pointer": "/jobs/1/args/a", "detail": "no"},
        {"pointer": "/jobs", "detail": "x"},
    ]
    fake.faults = [None, problem(422, "invalid-arguments", errors=errors)]
    with pytest.raises(InvalidArguments) as caught:
        client.enqueue_many(Call[Any]("m.t") for _ in range(1500))
    error = caught.value
    assert len(error.enqueued) == len(fake.jobs) == 1000 and error.calls == 1500
    assert [it.pointer for it in error.errors] == ["/jobs/1001/args/a", "/jobs"]
    assert str(error) == (
        "the first 1000 of 1500 calls are jobs, and the next request failed: "
        "it is invalid-arguments (at /jobs/1001/args/a, /jobs)"
    )
    # Nothing of the part is in doubt, and what was made before is not made again.
    assert not error.in_doubt and error.key is not None and error.key in error.__notes__[0]
    assert (
        len(client.enqueue_many((Call[Any]("m.t") for _ in range(1500)), key=error.key)) == 1500
    )
    assert len(fake.jobs) == 1500


def test_a_wrong_call_of_many_is_told_with_its_place(client: Any, fake: Fake) -> None:
    errors = [{"pointer": "/jobs/1/args", "detail": "no"}]
    fake.faults = [problem(422, "invalid-arguments", errors=errors)]
    with pytest.raises(InvalidArguments) as caught:
        client.enqueue_many([Call[Any]("m.t"), Call[Any]("m.t")])
    assert str(caught.value) == "it is invalid-arguments (at /jobs/1/args)"
    assert caught.value.key is not None and not hasattr(caught.value, "__notes__")
    right = Call[Any]("m.t")
    for wrong, kind in (("a", TypeError), (Call[Any]("m.t", {"a": 2**70}), ValueError)):
        with pytest.raises(kind, match=r"\(at /jobs/1\)$"):
            client.enqueue_many([right, wrong])
    with pytest.raises(TypeError, match=r"what is enqueued is a `Call`, as in .*, not 5$"):
        client.enqueue(5)
    assert len(fake.seen) == 1


def test_parts_are_not_larger_than_a_server_takes(client: Any, fake: Fake) -> None:
    calls = [Call[Any]("m.t", {"image": bytes(3 << 20)}) for _ in range(5)]
    assert len(client.enqueue_many(calls)) == 5
    assert [len(msgpack.unpackb(body)["jobs"]) for *_, body in fake.seen] == [2, 2, 1]
    assert client.enqueue_many([]) == []
