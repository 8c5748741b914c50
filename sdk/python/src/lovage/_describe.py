"""A task's description in the types of the bindings, at push."""

from __future__ import annotations

from typing import Any

from wit_world.exports import batches
from wit_world.imports import types

from lovage._options import TaskOptions
from lovage._schedule import Schedule
from lovage._task import Task


def described(task: Task) -> Any:
    schedule = task.options.schedule
    return types.TaskInfo(
        name=task.name,
        doc=task.doc,
        input_schema=task.signature.input_schema(),
        output_schema=task.signature.output_schema(),
        options=_options(task.options),
        schedules=[] if schedule is None else [_schedule(schedule)],
    )


def batched(task: Task) -> Any:
    most, wait_ms = task.options.batch or (1, 1)
    return batches.Batched(task=task.name, max=most, wait_ms=wait_ms)


def _options(options: TaskOptions) -> Any:
    return types.TaskOptions(
        queue=options.queue,
        priority=options.priority,
        max_attempts=options.max_attempts,
        backoff=None if options.backoff is None else types.Backoff(*options.backoff),
        max_age_ms=options.max_age_ms,
        retry_exhausted=options.retry_exhausted,
        timeout_ms=options.timeout_ms,
        soft_timeout_ms=options.soft_timeout_ms,
        expiry_ms=options.expiry_ms,
        result_ttl_ms=options.result_ttl_ms,
        unique=_unique(options),
        fuel=options.fuel,
        memory=options.memory,
        rate=None if options.rate is None else types.Rate(*options.rate),
        concurrency=options.concurrency,
    )


def _unique(options: TaskOptions) -> Any:
    match options.unique:
        case None:
            return None
        case "start":
            until = types.Until_Start()
        case "done":
            until = types.Until_Done()
        case ms:
            until = types.Until_ForMs(ms)
    return types.Unique(until=until, conflict=types.Conflict[options.conflict.upper()])


def _schedule(schedule: Schedule) -> Any:
    trigger = schedule.trigger
    match schedule.catch_up:
        case "none":
            catch_up = types.CatchUp_None_()
        case "last":
            catch_up = types.CatchUp_Last()
        case count:
            catch_up = types.CatchUp_All(count)
    return types.Schedule(
        trigger=(
            types.Trigger_EveryMs(trigger)
            if isinstance(trigger, int)
            else types.Trigger_Cron(trigger)
        ),
        zone=schedule.zone,
        jitter_ms=schedule.jitter_ms,
        catch_up=catch_up,
        overlap=types.Overlap[schedule.overlap.upper()],
    )
