"""One attempt: from the arguments' MessagePack to the result's, or to a failure."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from lovage import _task, _traceback
from lovage._errors import Failure
from lovage._task import Task

T = TypeVar("T")


class _Broken(Failure):
    """One that the author did not raise as such."""


#: Errors that are the sandbox's to tell: it knows whether memory was refused. In a test it is
#: whoever sits before it that interrupts.
_TRAPS = (MemoryError, KeyboardInterrupt)


def run(name: str, data: bytes) -> bytes:
    """Raises `Failure`, and whatever is to end as a trap."""
    task = _found(name)
    if task.options.batch is not None:
        answer = run_batch(name, [data], lambda taken: None)[0]
        if isinstance(answer, Failure):
            raise answer
        return answer
    # The author's code runs in all of them: dataclasses may do what they like when they are made.
    arguments = _guarded(lambda: task.signature.read(data))
    result = _guarded(lambda: task.function(**arguments))
    return _guarded(lambda: task.signature.write(result))


def run_batch(
    name: str, inputs: list[bytes], retain: Callable[[list[bool]], None]
) -> list[bytes | Failure]:
    """An answer for each call, in their order. A call whose arguments do not fit fails by itself
    and is kept from the task; `retain` hears which calls it sees."""
    task = _found(name)
    calls: list[Any] = []
    refused: list[Failure | None] = []
    for data in inputs:
        try:
            calls.append(_guarded(partial(task.signature.read_call, data)))
            refused.append(None)
        except Failure as failure:
            refused.append(failure)
    retain([it is None for it in refused])
    results = iter(_results(task, calls))
    return [next(results) if it is None else it for it in refused]


def _results(task: Task, calls: list[Any]) -> list[bytes | Failure]:
    if not calls:
        return []
    try:
        results = _guarded(lambda: task.function(calls))
        if not isinstance(results, list) or len(results) != len(calls):
            said = (
                f"{len(results)} results" if isinstance(results, list) else type(results).__name__
            )
            raise _Broken(f"`{task.name}` returned {said} for {len(calls)} calls")
    except _Broken as failure:
        # What fails a run of many is a trap: the host tries each by itself then. Of a call that
        # is alone the failure says more.
        if len(calls) == 1:
            return [failure]
        sys.stderr.write(f"{failure.detail or failure}\n")
        raise RuntimeError(failure.message) from None
    except Failure as failure:
        return [failure] * len(calls)
    return [_answer(task, result) for result in results]


def _answer(task: Task, result: Any) -> bytes | Failure:
    if isinstance(result, Failure):
        return result
    try:
        return _guarded(lambda: task.signature.write(result))
    except Failure as failure:
        return failure


def _found(name: str) -> Task:
    task = _task.find(name)
    if task is None:
        known = "`, `".join(task.name for task in _task.tasks())
        failure = Failure(f"there is no task `{name}`: there are `{known}`", kind="task")
        raise failure.never_retry()
    return task


def _guarded(call: Callable[[], T]) -> T:
    """Calls the author's code. Any error of it but a failure becomes one."""
    try:
        return call()
    except _TRAPS:
        raise
    except Failure as failure:
        if failure.detail is None and failure.__cause__ is not None:
            failure.detail = _traceback.text(failure.__cause__)
        raise
    except BaseException as error:
        kind = type(error).__name__
        raise _Broken(str(error) or kind, kind=kind, detail=_traceback.text(error)) from error
