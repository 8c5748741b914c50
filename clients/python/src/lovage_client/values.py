"""Values as the wire has them: MessagePack, and spans, times and sizes as texts."""

import base64
import json
import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, SupportsFloat

import msgpack

from .errors import WrongAnswer
from .plain import Unsendable, plain

#: A span of time: seconds, a `timedelta`, or a text such as `"10m"`.
Span = str | float | timedelta
#: A time with its zone, or a span from when the broker takes the job.
When = Span | datetime

#: Seconds of each unit that a span may be written in.
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def pack(value: object, what: str) -> bytes:
    """A value as MessagePack; `what` names it where it cannot be."""
    try:
        packed: Any = msgpack.packb(_plain(value, what), use_bin_type=True)
    except Unsendable:
        raise
    except OverflowError as e:
        raise ValueError(f"{what} cannot be sent: an integer has at most 64 bits") from e
    except (TypeError, ValueError) as e:
        raise ValueError(f"{what} cannot be sent: {e}") from e
    return bytes(packed)


def pack_list(key: str, packed: Sequence[bytes]) -> bytes:
    """A map of one list, whose values are packed already."""
    packer = msgpack.Packer()
    head: bytes = packer.pack_map_header(1) + packer.pack(key)
    return head + bytes(packer.pack_array_header(len(packed))) + b"".join(packed)


def unpack(body: bytes) -> Any:
    """What an answer's body is."""
    try:
        # A result may be a map by numbers, which is nobody's attack here.
        return msgpack.unpackb(body, strict_map_key=False)
    except (ValueError, msgpack.UnpackException) as e:
        raise WrongAnswer(
            f"the answer is no MessagePack ({e}): is a Lovage server at that address?"
        ) from e


def to_json(value: object, what: str) -> bytes:
    """A value as JSON, in which bytes are Base64."""
    try:
        return json.dumps(_plain(value, what), default=_base64, allow_nan=False).encode()
    except Unsendable:
        raise
    except (TypeError, ValueError) as e:
        raise ValueError(f"{what} cannot be sent as JSON: {e}") from e


def _plain(value: object, what: str) -> Any:
    try:
        return plain(value)
    except Unsendable as e:
        e.what = what
        raise
    except RecursionError:
        raise ValueError(f"{what} cannot be sent: it is too deep, or within itself") from None


def _base64(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def span(value: Span, name: str) -> str:
    """A span as a text, to the millisecond."""
    if isinstance(value, str):
        return value
    length = seconds(value, name)
    if not 0 <= length < 1e11:
        raise ValueError(f"`{name}` is a span of time from now on, not {value!r}")
    milliseconds = round(length * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def seconds(value: Span, name: str) -> float:
    """A span's seconds, where the client itself counts them."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    wrong = (
        f"`{name}` is a span of time: seconds, a timedelta, or a text as in '30s', "
        f"not {value!r}"
    )
    if isinstance(value, str):
        written = re.fullmatch(r"\s*([0-9]{1,13})\s*(ms|s|m|h|d)\s*", value)
        if written is None:
            raise ValueError(wrong)
        return int(written[1]) * _UNITS[written[2]]
    if isinstance(value, bool) or not isinstance(value, SupportsFloat):
        raise TypeError(wrong)
    length = float(value)
    if math.isnan(length):
        raise ValueError(wrong)
    return length


def limit(value: Span | None, name: str = "timeout") -> float:
    """The seconds that somebody waits at most; `None` is for ever."""
    return math.inf if value is None else max(seconds(value, name), 0.0)


def when(value: When, name: str) -> str:
    """A time or a span as a text."""
    if not isinstance(value, datetime):
        return span(value, name)
    if value.tzinfo is None:
        raise ValueError(
            f"`{name}` is a time without a zone: say which, as in datetime.now(timezone.utc)"
        )
    return value.isoformat()


def size(value: int | str, name: str) -> int:
    """A number of bytes, which may be written as in `"64MiB"`."""
    if isinstance(value, int):
        return value
    text = str(value).strip()
    number = text.rstrip("BKMGi").strip()
    unit = _SIZES.get(text.removeprefix(number).strip())
    if unit is None or not number.isdecimal():
        raise ValueError(f"`{name}` is a number of bytes, or as in '64MiB', not {value!r}")
    return int(number) * unit


def time(text: str | None) -> datetime | None:
    """A time of an answer."""
    return None if text is None else datetime.fromisoformat(text)
