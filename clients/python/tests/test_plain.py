"""What Python's own types are on the wire."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgpack
import pytest
from fake import Fake

from lovage_client import Call

ID = "0190163d-8694-739b-aea5-966c26f8ad91"
WEST = timezone(timedelta(hours=-3))


class Size(Enum):
    LARGE = "large"
    ODD = Decimal("1.50")


class Level(IntEnum):
    HIGH = 9


@dataclass(frozen=True)
class Part:
    id: UUID
    made: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    parts: tuple[Part, ...]
    size: Size = Size.LARGE


KNOWN: list[tuple[object, object]] = [
    (UUID(ID), ID),
    (Decimal("0.10"), "0.10"),
    (datetime(2027, 1, 31, 9, tzinfo=UTC), "2027-01-31T09:00:00+00:00"),
    (datetime(2027, 1, 31, 9, tzinfo=WEST), "2027-01-31T09:00:00-03:00"),
    (date(2027, 1, 31), "2027-01-31"),
    (time(9, 30), "09:30:00"),
    (Size.LARGE, "large"),
    (Size.ODD, "1.50"),
    (Level.HIGH, 9),
    ((1, (2, 3)), [1, [2, 3]]),
    ({7}, [7]),
    (frozenset({UUID(ID)}), [ID]),
    (MappingProxyType({"a": 1}), {"a": 1}),
    ({Size.LARGE: date(2027, 1, 31)}, {"large": "2027-01-31"}),
    (Order((Part(UUID(ID)),)), {"parts": [{"id": ID, "made": None}], "size": "large"}),
]  # fmt: skip

NAIVE = datetime(2027, 1, 31)
NO_OFFSET = (
    r"a `datetime` has an offset, as that of `datetime\.now\(timezone\.utc\)`, "
    "and 2027-01-31T00:00:00 has none"
)
UNKNOWN: list[tuple[object, str, str]] = [
    (NAIVE, NO_OFFSET, ""),
    ([1, {"x/y~": (NAIVE,)}], NO_OFFSET, "/1/x~1y~0/0"),
    (Order((Part(UUID(ID), NAIVE),)), NO_OFFSET, "/parts/0/made"),
    ({"a": [object()]}, "a `object` is none of what can: texts, bytes,", "/a/0"),
    ({"a": Order}, "a `type` is none of what can", "/a"),
    ({"a": {(1, 2): 3}}, "a `tuple` is no key of a dict: texts and integers are", "/a"),
]


@pytest.mark.parametrize(("value", "sent"), KNOWN)
def test_a_call_and_a_flow_take_what_tasks_in_python_do(
    client: Any, fake: Fake, value: object, sent: object
) -> None:
    fake.routes["POST /v1/flows"] = lambda handler, _: handler.reply(201, {"id": "f"})
    client.enqueue("m.t", {"a": value, "within": [value]})
    client.run_flow({"task": "m.t", "args": {"a": value, "raw": b"\xff"}})
    call, flow = (body for *_, body in fake.seen)
    assert msgpack.unpackb(call)["args"] == {"a": sent, "within": [sent]}
    assert json.loads(flow)["args"] == {"a": sent, "raw": "/w=="}


@pytest.mark.parametrize(("value", "said", "place"), UNKNOWN)
def test_what_has_no_form_is_told_with_its_place(
    client: Any, fake: Fake, value: object, said: str, place: str
) -> None:
    call = Call[Any]("m.t", {"a": value})
    refused = r"the call of `m\.t` cannot be sent: " + said
    with pytest.raises(ValueError, match=rf"{refused}.* \(at /args/a{place}\)$"):
        client.enqueue(call)
    with pytest.raises(ValueError, match=rf"{refused}.* \(at /jobs/1/args/a{place}\)$"):
        client.enqueue_many([Call("m.t"), call])
    flow = {"chain": [{"task": "m.t", "args": {"a": value}}]}
    with pytest.raises(
        ValueError, match=rf"the flow cannot be sent: {said}.* \(at /chain/0/args/a{place}\)$"
    ):
        client.run_flow(flow)
    assert fake.seen == []
