"""MessagePack: every form, exactly, and nothing that is broken."""

import math
from typing import Any

import pytest

from lovage._msgpack import DEPTH, MsgpackError, decode, decode_pairs, encode

EDGES: list[tuple[Any, str]] = [
    (0, "00"),
    (127, "7f"),
    (128, "cc80"),
    (255, "ccff"),
    (256, "cd0100"),
    (65_536, "ce00010000"),
    (1 << 32, "cf0000000100000000"),
    ((1 << 64) - 1, "cfffffffffffffffff"),
    (-1, "ff"),
    (-32, "e0"),
    (-33, "d0df"),
    (-128, "d080"),
    (-129, "d1ff7f"),
    (-32_769, "d2ffff7fff"),
    (-(1 << 31) - 1, "d3ffffffff7fffffff"),
    (-(1 << 63), "d38000000000000000"),
    (None, "c0"),
    (False, "c2"),
    (True, "c3"),
    (1.5, "cb3ff8000000000000"),
    ("é", "a2c3a9"),
    (b"\x00\xff", "c40200ff"),
    ([], "90"),
    ({"a": [1]}, "81a1619101"),
]


@pytest.mark.parametrize(("value", "data"), EDGES)
def test_each_form_and_its_bytes(value: Any, data: str) -> None:
    assert encode(value).hex() == data
    back = decode(bytes.fromhex(data))
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize("length", [15, 16, 31, 32, 255, 256, 65_535, 65_536])
def test_lengths_at_the_edges(length: int) -> None:
    for value in ("x" * length, b"x" * length, [None] * length, {str(n): n for n in range(length)}):
        assert decode(encode(value)) == value


def test_floats_are_exact() -> None:
    for value in (0.1, -0.0, math.inf, -math.inf, 5e-324):
        assert math.copysign(1, decode(encode(value))) == math.copysign(1, value)
        assert decode(encode(value)) == value
    assert math.isnan(decode(encode(math.nan)))
    assert decode(b"\xca\x3f\xc0\x00\x00") == 1.5


def test_what_has_no_form() -> None:
    for value in (1 << 64, -(1 << 63) - 1, object(), {1, 2}, "\ud800", {(1,): 2}):
        with pytest.raises(MsgpackError):
            encode(value)


def test_depth_is_bounded_both_ways() -> None:
    def deep(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return value

    assert decode(encode(deep(DEPTH))) == deep(DEPTH)
    with pytest.raises(MsgpackError, match="128 deep"):
        encode(deep(DEPTH + 1))
    with pytest.raises(MsgpackError, match="128 deep"):
        decode(b"\x91" * (DEPTH + 1) + b"\x01")


@pytest.mark.parametrize(
    "data",
    [
        "",
        "c1",
        "d40000",
        "a2c3",
        "a1ff",
        "0000",
        "ddffffffff",
        "dfffffffff",
        "81900",
        "8190",
        "cd00",
    ],
)
def test_what_is_broken(data: str) -> None:
    with pytest.raises(MsgpackError):
        decode(bytes.fromhex(data if len(data) % 2 == 0 else f"{data}0"))


def test_pairs_keep_what_comes_twice() -> None:
    assert decode_pairs(bytes.fromhex("82a16101a16102")) == [("a", 1), ("a", 2)]
    assert decode_pairs(bytes.fromhex("de0001a16101")) == [("a", 1)]
    assert decode_pairs(b"\x90") is None
