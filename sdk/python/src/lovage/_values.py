"""Durations, sizes, rates and names as options have them in text. What is wrong is a
`ValueError` that says what to write."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATIONS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_MOST = (1 << 64) - 1


def duration(value: str | timedelta) -> int:
    """`250ms`, `30s`, `5m`, `1h` or `2d`, or a `timedelta`, in milliseconds."""
    if isinstance(value, timedelta):
        ms = value // timedelta(milliseconds=1)
        if ms > 0:
            return ms
    elif isinstance(value, str):
        scaled = _scaled(value, _DURATIONS)
        if scaled is not None:
            return scaled
    raise ValueError(
        f"`{value}` is not a duration: write a whole number and `ms`, `s`, `m`, `h` or `d`,"
        ' as in "30s"'
    )


def size(value: str) -> int:
    """`64KiB`, `64MiB` or `1GiB`, in bytes."""
    scaled = _scaled(value, _SIZES) if isinstance(value, str) else None
    if scaled is None:
        raise ValueError(
            f"`{value}` is not a size: write a whole number and `KiB`, `MiB` or `GiB`,"
            ' as in "64MiB"'
        )
    return scaled


def rate(value: str) -> tuple[int, int]:
    """`100/1m` or `5/s`: so many starts in each period of so many milliseconds."""
    if isinstance(value, str):
        count, slash, period = value.partition("/")
        period = period if period[:1].isdigit() else f"1{period}"
        period_ms = _scaled(period, _DURATIONS)
        if slash and period_ms and _whole(count) and 0 < int(count) < 1 << 32:
            return int(count), period_ms
    raise ValueError(
        f"`{value}` is not a rate: write a number, `/` and a duration or a unit,"
        ' as in "100/1m" or "5/s"'
    )


def task_name(value: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_-]*", value):
        raise ValueError(
            f"`{value}` is no name of a task: it begins with a lower-case letter, and has"
            " lower-case letters, digits, `_` and `-`"
        )
    return value


def whole(value: int, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"`{value}` is not a whole number from {least} to {most}")
    return value


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _scaled(text: str, units: dict[str, int]) -> int | None:
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzKMGB")
    unit = units.get(text[len(number) :])
    if unit is None or not _whole(number):
        return None
    scaled = int(number) * unit
    return scaled if 0 < scaled <= _MOST else None
