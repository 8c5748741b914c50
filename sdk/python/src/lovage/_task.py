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


class _Origin:
    """Where a function comes from: by this one that is declared again is told from another."""

    def __init__(self, function: Callable[..., Any]) -> None:
        # What another decorator has made of it stands where that decorator does.
        own = inspect.unwrap(function)
        own = own if inspect.isfunction(own) else function
        self.name = (function.__module__, function.__qualname__)
        self.file, self.line = own.__code__.co_filename, own.__code__.co_firstlineno
        #: The run of its module: each import has its spec, also a reload, which keeps the rest.
        self.module = own.__globals__
        self.spec = self.module.get("__spec__")

    def is_again(self, before: _Origin) -> bool:
        """Whether it is the same function: its module is imported anew, as test runners do."""
        if self.name != before.name:
            return False
        is_one_run = self.module is before.module and self.spec is before.spec
        is_elsewhere = self.file == before.file and self.line != before.line
        return not (is_one_run and is_elsewhere)


class Task:
    """One task of the module."""

    def __init__(self, name: str, function: Callable[..., Any], options: TaskOptions) -> None:
        self.name = name
        self.function = function
        self.options = options
        self.origin = _Origin(function)

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
    _check_plain(function, where)
    try:
        _values.task_name(name)
        read = options_of(options)
    except ValueError as error:
        raise DeclarationError(f"{where}: {error}") from None
    taken = _tasks.get(name)
    declared = Task(name, function, read)
    if taken is not None and not declared.origin.is_again(taken.origin):
        raise DeclarationError(f"{where}: there is another of that name; set `name=` of one")
    _tasks[name] = declared
    return function


def _check_plain(function: Callable[..., Any], where: str) -> None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise DeclarationError(
            f"{where}: it is a plain function; there is no event loop in the sandbox"
        )
    if inspect.isgeneratorfunction(function):
        raise DeclarationError(
            f"{where}: it is a plain function and no generator: in place of `yield`, return all"
            " of its values as a list"
        )
    scope = function.__qualname__.rpartition(".")[0]
    in_class = scope != "" and not scope.endswith("<locals>")
    first = next(iter(inspect.signature(function).parameters), None)
    # A static method is a plain function, too.
    if in_class and first in ("self", "cls"):
        raise DeclarationError(
            f"{where}: it is a plain function and no method: declare it outside of the class"
        )
