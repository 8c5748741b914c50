"""Calls: a task, its arguments, and what else there is to say of the job.

`task` declares what a task takes and answers, for type checkers; the declarations that
`lovage client --lang python` writes are made of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, ParamSpec, TypedDict, TypeVar, Unpack

from .values import Span, When, pack, size, span, when

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Unique:
    """Beside which others a job may not be."""

    #: What is to be unique; without it, the task with its arguments.
    key: str | None = None
    #: Until it has started, has ended, or for a span.
    until: Literal["start", "done"] | Span = "done"
    #: What becomes of a second one: the first is answered, it is refused, or it takes the
    #: first one's place.
    conflict: Literal["existing", "reject", "replace"] = "existing"


class Backoff(TypedDict, total=False):
    """The waits between attempts, each drawn from zero to its most: `base`, then `factor`
    times as much, and so on to `max`. What is left out is `5s`, 3 and `1h`."""

    base: Span
    factor: float
    max: Span


class Options(TypedDict, total=False):
    """What a call may say beside its arguments. What it does not say is as the task's
    author has it."""

    queue: str
    lane: str
    #: 0 to 9; 9 goes first.
    priority: int
    #: Not before this time, or this span from now.
    eta: When
    #: Cancelled where it has not begun by this time or span.
    expires: When
    #: Idempotent: as long as a job with this key is kept, there is no second one.
    key: str
    unique: Unique
    #: Attempts beyond the first.
    retries: int
    #: The waits between attempts: a span is the `base`.
    backoff: Span | Backoff
    #: Start no further attempt when the job is older.
    max_age: Span
    #: Whether what ran out of fuel or memory is tried again.
    retry_exhausted: bool
    #: An attempt's end, and when it hears that it should stop.
    timeout: Span
    soft_timeout: Span
    #: Units of fuel, and bytes of memory (or `"64MiB"`), that an attempt may use.
    fuel: int
    memory: int | str
    #: How long the job is kept once it has completed.
    result_ttl: Span
    #: Run this release, whichever is active.
    release: int
    tags: Sequence[str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Call(Generic[R]):
    """A call of a task, whose job will have a result of type `R`. It may be enqueued more
    than once, and is another job each time, unless it has a `key`."""

    task: str
    args: Mapping[str, Any]
    options: Options

    def __init__(
        self, task: str, args: Mapping[str, Any] | None = None, /, **options: Unpack[Options]
    ) -> None:
        for name in options:
            if name not in Options.__annotations__:
                known = ", ".join(sorted(Options.__annotations__))
                raise TypeError(f"a call has no option `{name}`; it has {known}")
        if args is not None and not isinstance(args, Mapping):
            raise TypeError(
                f"the arguments of `{task}` are a mapping of their names to their values, as "
                f"in {{'name': 1}}, not {args!r:.60}"
            )
        object.__setattr__(self, "task", task)
        object.__setattr__(self, "args", dict(args or {}))
        object.__setattr__(self, "options", options)

    def with_options(self, **options: Unpack[Options]) -> "Call[R]":
        """The same call with these options, and else its own."""
        merged: Options = {**self.options, **options}
        return Call(self.task, self.args, **merged)


class TaskRef(Generic[P, R]):
    """A task by its name, with the types of its arguments and of its result."""

    def __init__(self, name: str, names: Mapping[str, str] | None = None) -> None:
        if name.count(".") != 1 or name.startswith(".") or name.endswith("."):
            raise ValueError(f"a task is named as in `module.task`, not `{name}`")
        self.name = name
        self._names = dict(names or {})

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """A call of it with these arguments, which go by name. It enqueues nothing."""
        if args:
            raise TypeError(f"the arguments of `{self.name}` go by name, as in `name=value`")
        return Call(self.name, {self._names.get(k, k): v for k, v in kwargs.items()})

    def __repr__(self) -> str:
        return f"TaskRef({self.name!r})"


def task(
    name: str, *, names: Mapping[str, str] | None = None
) -> Callable[[Callable[P, R]], TaskRef[P, R]]:
    """Declares a task by a function whose body is never run: its keyword arguments are the
    task's, and what it returns is its result. `names` says what an argument is really
    called whose name is none in Python, as in `{"from_": "from"}`."""

    def declared(function: Callable[P, R]) -> TaskRef[P, R]:
        ref: TaskRef[P, R] = TaskRef(name, names)
        ref.__doc__ = function.__doc__
        return ref

    return declared


def checked(call: Call[R]) -> Call[R]:
    """A call that is one."""
    if not isinstance(call, Call):
        raise TypeError(
            f"what is enqueued is a `Call`, as in `Call('module.task', {{'name': 1}})` or "
            f"`client.module.task.call(name=1)`, not {call!r}"
        )
    return call


def keyed(call: Call[R], key: str) -> Call[R]:
    """The call with an idempotency key: its own, or else this one."""
    return call if call.options.get("key") else call.with_options(key=key)


def encode(call: Call[Any]) -> bytes:
    """A call as the API takes it."""
    body: dict[str, object] = {"task": call.task, "args": call.args}
    for name, value in call.options.items():
        if value is not None:
            body[name] = _option(name, value)
    return pack(body, f"the call of `{call.task}`")


def _option(name: str, value: Any) -> object:
    match name:
        case "eta" | "expires":
            return when(value, name)
        case "timeout" | "soft_timeout" | "max_age" | "result_ttl":
            return span(value, name)
        case "backoff" if isinstance(value, Mapping):
            spans = {part: span(value[part], part) for part in ("base", "max") if part in value}
            return {**value, **spans}
        case "backoff":
            return span(value, name)
        case "memory":
            return size(value, name)
        case "tags":
            if isinstance(value, str):
                raise ValueError(f"`tags` is a list of texts, not the text {value!r}")
            return list(value)
        case "headers":
            return dict(value)
        case "unique":
            return _unique(value)
        case _:
            return value


def _unique(unique: object) -> dict[str, str]:
    if not isinstance(unique, Unique):
        raise TypeError(
            f"`unique` is a `Unique`, as in `Unique(until='start')`, not {unique!r}"
        )
    body = {"until": span(unique.until, "unique.until"), "conflict": unique.conflict}
    return body if unique.key is None else {**body, "key": unique.key}
