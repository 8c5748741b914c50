"""The options of a task, in the contract's words; and what is none."""

from datetime import timedelta
from typing import Any

import pytest

import lovage
from lovage._options import TaskOptions, options_of
from lovage._schedule import Schedule


def test_what_is_not_set_is_the_hosts() -> None:
    assert options_of({}) == TaskOptions()


def test_each_option() -> None:
    read = options_of(
        {
            "queue": "special",
            "priority": 7,
            "retries": 2,
            "backoff": "1s",
            "max_age": "1h",
            "retry_exhausted": True,
            "timeout": timedelta(seconds=30),
            "soft_timeout": "25s",
            "expires": "2d",
            "result_ttl": "250ms",
            "unique": "5m",
            "on_conflict": "replace",
            "fuel": 1_000,
            "memory": "64MiB",
            "rate": "5/s",
            "concurrency": 3,
            "batch": {"max": 100, "wait": "50ms"},
        }
    )
    assert read == TaskOptions(
        queue="special",
        priority=7,
        max_attempts=3,
        backoff=(1_000, 3.0, 3_600_000),
        max_age_ms=3_600_000,
        retry_exhausted=True,
        timeout_ms=30_000,
        soft_timeout_ms=25_000,
        expiry_ms=172_800_000,
        result_ttl_ms=250,
        unique=300_000,
        conflict="replace",
        fuel=1_000,
        memory=64 << 20,
        rate=(5, 1_000),
        concurrency=3,
        batch=(100, 50),
    )


def test_a_backoff_in_full() -> None:
    assert options_of({"backoff": {"base": "2s", "factor": 2}}).backoff == (2_000, 2.0, 3_600_000)
    assert options_of({"backoff": "2h"}).backoff == (7_200_000, 3.0, 7_200_000)
    assert options_of({"backoff": {"max": "1m"}}).backoff == (5_000, 3.0, 60_000)


def test_schedules() -> None:
    every = options_of({"every": "5m", "jitter": "10s", "overlap": "skip"}).schedule
    assert every == Schedule(300_000, None, 10_000, "last", "skip")
    cron = options_of({"cron": "0 9 * * MON-FRI", "tz": "Europe/Berlin", "catch_up": 3}).schedule
    assert cron == Schedule("0 9 * * MON-FRI", "Europe/Berlin", 0, 3, "allow")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"retrys": 3}, "no option `retrys`: the options are name, queue, priority, retries"),
    ({"priority": 10}, "option `priority`: `10` is not a whole number from 0 to 9"),
    ({"priority": True}, "not a whole number"),
    ({"retries": -1}, "option `retries`"),
    ({"timeout": "30"}, "option `timeout`: `30` is not a duration"),
    ({"timeout": 30}, "is not a duration"),
    ({"timeout": "0s"}, "is not a duration"),
    ({"timeout": "²s"}, "is not a duration"),
    ({"memory": "64MB"}, "`KiB`, `MiB` or `GiB`"),
    ({"rate": "0/1m"}, "is not a rate"),
    ({"rate": "5/sec"}, "is not a rate"),
    ({"queue": ""}, "a queue has a name"),
    ({"retry_exhausted": 1}, "neither True nor False"),
    ({"unique": "end"}, 'write "start", "done" or a duration'),
    ({"on_conflict": "reject"}, "says nothing without `unique`"),
    ({"unique": "done", "on_conflict": "ignore"}, '"existing", "reject" or "replace"'),
    ({"backoff": {"factor": 0.5}}, "a number from 1"),
    ({"backoff": {"base": "1h", "max": "1s"}}, "at least its `base`"),
    ({"backoff": {"step": 1}}, "the options are base, factor, max"),
    ({"batch": {"max": 10}}, "a batch has both"),
    ({"batch": {"max": 0, "wait": "1s"}}, "from 1 to 1000"),
    ({"batch": {"max": 1, "wait": "61s"}}, "a minute at most"),
    ({"every": "10ms"}, "once a second at most"),
    ({"every": "1m", "cron": "@daily"}, "not both"),
    ({"every": "1m", "tz": "UTC"}, "counts from the epoch"),
    ({"jitter": "1s"}, "says nothing without `every` or `cron`"),
    ({"cron": "9 *"}, "no cron line"),
    ({"cron": "@daily", "tz": "Europe/ Berlin"}, "a time zone"),
    ({"cron": "@daily", "catch_up": "all"}, "neither"),
    ({"cron": "@daily", "overlap": "wait"}, '"allow", "skip", "queue" or "replace"'),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_what_is_wrong_names_the_task_and_the_option(given: dict[str, Any], said: str) -> None:
    def thumbnail() -> None: ...

    with pytest.raises(lovage.DeclarationError) as raised:
        lovage.task(**given)(thumbnail)
    assert said in str(raised.value)
    assert str(raised.value).startswith("task `thumbnail`: ")
