"""`@lovage.task`, and the module's list of tasks that it fills."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, Unpack, overload

from lovage import _values
from lovage._errors import DeclarationError
from lovage._options import Options, TaskOptions, options_of
from lovage._signature import Signature

P = ParamSpec("P")
R = TypeVar("R")


class Task:
    """One task of the module."""

    def __init__(self, name: str, function: Callable[..., Any], options: TaskOptions) -> None:
        self.name = name
        self.function = function
        self.options = options

    @functools.cached_property
    def signature(self) -> Signature:
        return Signature(self.name, self.function, self.options.batch is not None)

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.function) or ""


#: By name, in the order of their declaration.
_tasks: dict[str, Task] = {}


def tasks() -> list[Task]:
    return list(_tasks.values())


def find(name: str) -> Task | None:
    return _tasks.get(name)


@overload
def task(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def task(**options: Unpack[Options]) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def task(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Declares a task: a function that is called by jobs, and stays one that anybody calls.

    Its annotations say what callers may send and what they get, its docstring is the task's
    documentation. The options are those of the table in the SDK's README.
    """
    if function is not None:
        return _declare(function, options)
    return lambda declared: _declare(declared, options)


def _declare(function: Callable[P, R], options: dict[str, Any]) -> Callable[P, R]:
    if not inspect.isfunction(function):
        raise DeclarationError(f"`{function!r}` is no function: `@lovage.task` stands above one")
    name = options.get("name", function.__name__)
    where = f"task `{name}`"
    if any(kind(function) for kind in _NOT_PLAIN):
        raise DeclarationError(
            f"{where}: it is a plain function; there is no event loop in the sandbox"
        )
    try:
        _values.task_name(name)
        read = options_of(options)
    except ValueError as error:
        raise DeclarationError(f"{where}: {error}") from None
    taken = _tasks.get(name)
    # The same function again is its module imported anew, as test runners do.
    if taken is not None and _origin(taken.function) != _origin(function):
        raise DeclarationError(f"{where}: there is another of that name; set `name=` of one")
    _tasks[name] = Task(name, function, read)
    return function


def _origin(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


_NOT_PLAIN = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)
