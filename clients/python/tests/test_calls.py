"""What a call says, and how it is written."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgpack
import pytest

from lovage_client import Call, Client, Options, TaskRef, Unique, task
from lovage_client.calls import encode
from lovage_client.values import Span, limit, pack_list, size, span, unpack


class Loop(list[Any]):
    """A list within itself."""

    def __init__(self) -> None:
        super().__init__([self])


@task("mail.send", names={"from_": "from"})
def send(*, to: str, from_: str = "me", copies: int | None = None) -> bool:
    """Sends a mail."""
    raise NotImplementedError


def test_a_declared_task_makes_calls_by_name() -> None:
    call = send(to="ann", from_="bob")
    assert (call.task, call.args) == ("mail.send", {"to": "ann", "from": "bob"})
    assert send.__doc__ == "Sends a mail."
    with pytest.raises(TypeError, match=r"`mail\.send` go by name"):
        send("ann")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"module\.task"):
        TaskRef("mail")


@pytest.mark.parametrize("wrong", [[1], [], "x", 0, [("a", 1)]])
def test_arguments_that_are_no_mapping_are_told_what_one_is(wrong: Any) -> None:
    said = r"the arguments of `m\.t` are a mapping of .* as in \{'name': 1\}, not "
    with Client() as client, pytest.raises(TypeError, match=said):
        client.enqueue("m.t", wrong)
    with pytest.raises(TypeError, match=said):
        Call("m.t", wrong)


def test_an_argument_may_have_any_name() -> None:
    with Client() as client:
        call = client.mail.send.call(self=1, seconds=2, task=3)
    assert call.args == {"self": 1, "seconds": 2, "task": 3}


def test_every_option_is_written_as_the_api_has_it() -> None:
    options: Options = {
        "queue": "high",
        "lane": "user-7",
        "priority": 9,
        "eta": datetime(2027, 1, 31, 9, tzinfo=UTC),
        "expires": timedelta(hours=36),
        "key": "k",
        "unique": Unique(key="u", until=90, conflict="reject"),
        "retries": 2,
        "backoff": {"base": 0.5, "factor": 2},
        "max_age": "1h",
        "retry_exhausted": True,
        "timeout": 1.5,
        "soft_timeout": 1,
        "fuel": 2**64 - 1,
        "memory": "64MiB",
        "result_ttl": timedelta(days=2),
        "release": 3,
        "tags": ("a", "b"),
        "headers": {"x": "y"},
    }
    assert set(options) == set(Options.__annotations__)
    assert unpack(encode(Call("m.t", {"a": b"\xff"}, **options))) == {
        **options,
        "task": "m.t",
        "args": {"a": b"\xff"},
        "eta": "2027-01-31T09:00:00+00:00",
        "expires": "36h",
        "unique": {"key": "u", "until": "90s", "conflict": "reject"},
        "backoff": {"base": "500ms", "factor": 2},
        "timeout": "1500ms",
        "soft_timeout": "1s",
        "memory": 64 << 20,
        "result_ttl": "2d",
        "tags": ["a", "b"],
    }


def test_later_options_win_and_a_call_stays_as_it_is() -> None:
    call = Call[Any]("m.t", queue="a", priority=1)
    assert call.with_options(queue="b").options == {"queue": "b", "priority": 1}
    assert call.options == {"queue": "a", "priority": 1}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"quue": "x"}, "no option `quue`; it has backoff, eta, expires"),
        ({"eta": datetime(2027, 1, 31)}, "`eta` is a time without a zone"),
        ({"timeout": -1}, "`timeout` is a span of time"),
        ({"timeout": float("nan")}, "`timeout` is a span of time"),
        ({"memory": "64MB"}, "`memory` is a number of bytes"),
        ({"memory": 1.5}, "`memory` is a number of bytes"),
        ({"memory": "²"}, "`memory` is a number of bytes"),
        ({"tags": "urgent"}, "`tags` is a list"),
        ({"unique": True}, "`unique` is a `Unique`"),
    ],
)
def test_a_wrong_option_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        encode(Call("m.t", **wrong))


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, object(), "\ud800", Loop()])
def test_a_value_that_cannot_be_sent_is_told_with_its_call(value: object) -> None:
    with pytest.raises(ValueError, match=r"the call of `m\.t` cannot be sent"):
        encode(Call("m.t", {"a": value}))


@pytest.mark.parametrize(
    ("value", "text"),
    [("10m", "10m"), (0, "0ms"), (0.0004, "0ms"), (1.25, "1250ms"), (60, "1m"), (86400, "1d")],
)
def test_spans(value: Span, text: str) -> None:
    assert span(value, "x") == text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("10m", 600), (" 250 ms", 0.25), (1.5, 1.5), (timedelta(hours=1), 3600), (-1, 0),
     ("2d", 172_800), (None, float("inf")), (float("inf"), float("inf"))],
)  # fmt: skip
def test_how_long_is_waited_is_a_span(value: Span | None, seconds: float) -> None:
    assert limit(value) == seconds


@pytest.mark.parametrize("wrong", ["30", "30 sec", "", "1.5s", float("nan"), [30], b"3", True])
def test_what_is_no_span_is_told_with_what_to_write(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="as in '30s', not"):
        limit(wrong)


def test_sizes() -> None:
    assert [size(it, "x") for it in (7, "7", "7B", "2KiB", "2 MiB", "1GiB")] == [
        7, 7, 7, 2048, 2 << 20, 1 << 30,
    ]  # fmt: skip


def test_what_is_packed_already_is_put_together() -> None:
    packed = [msgpack.packb({"n": n}) for n in range(70_000)]
    assert unpack(pack_list("jobs", packed))["jobs"][69_999] == {"n": 69_999}
