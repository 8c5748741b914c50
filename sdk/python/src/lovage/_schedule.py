"""The options that say when a task is called by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lovage import _values


@dataclass(frozen=True)
class Schedule:
    #: Milliseconds, or a cron line.
    trigger: int | str
    zone: str | None
    jitter_ms: int
    #: `none`, `last`, or so many.
    catch_up: str | int
    overlap: str


def schedule_of(given: Mapping[str, Any]) -> Schedule | None:
    """Reads these options and no others. Raises a `ValueError` that names the option."""
    read: dict[str, Any] = {}
    for option, value in given.items():
        parse = SCHEDULE_OPTIONS.get(option)
        if parse is not None:
            try:
                read[option] = parse(value)
            except ValueError as error:
                raise ValueError(f"option `{option}`: {error}") from None
    if not read:
        return None
    if "every" in read and "cron" in read:
        raise ValueError("a task has `every` or `cron`, not both")
    if "every" not in read and "cron" not in read:
        raise ValueError(f"`{next(iter(read))}` says nothing without `every` or `cron`")
    if "every" in read and "tz" in read:
        raise ValueError("`tz` says nothing of `every`, which counts from the epoch")
    return Schedule(
        trigger=read["every"] if "every" in read else read["cron"],
        zone=read.get("tz"),
        jitter_ms=read.get("jitter", 0),
        catch_up=read.get("catch_up", "last"),
        overlap=read.get("overlap", "allow"),
    )


def _every(value: Any) -> int:
    ms = _values.duration(value)
    if ms < 1_000:
        raise ValueError("a task is called by itself once a second at most")
    return ms


def _cron(value: Any) -> str:
    # The host reads it in full, at push.
    if isinstance(value, str) and (value.startswith("@") or len(value.split()) in (5, 6)):
        return value
    raise ValueError(
        f"`{value}` is no cron line: it has 5 fields (minute, hour, day, month, weekday) or 6"
        ' (a second in front), as in "0 9 * * MON-FRI"'
    )


def _zone(value: Any) -> str:
    if not isinstance(value, str) or value.split() != [value]:
        raise ValueError('a time zone is written as in "Europe/Berlin"')
    return value


def _catch_up(value: Any) -> str | int:
    if value in ("none", "last"):
        return str(value)
    if isinstance(value, str):
        raise ValueError(f'`{value}` is neither "none", "last" nor a number')
    return _values.whole(value, 1, 1_000)


def _overlap(value: Any) -> str:
    if value not in ("allow", "skip", "queue", "replace"):
        raise ValueError(f'`{value}` is not "allow", "skip", "queue" or "replace"')
    return str(value)


SCHEDULE_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "every": _every,
    "cron": _cron,
    "tz": _zone,
    "jitter": _values.duration,
    "catch_up": _catch_up,
    "overlap": _overlap,
}
