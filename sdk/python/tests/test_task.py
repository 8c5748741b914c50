"""Tasks as a worker runs them: arguments by name, results, failures, batches."""

import importlib
import json
import math
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import lovage
from lovage import Failure, _task, context, testing
from lovage._errors import Retry
from lovage._msgpack import encode
from lovage._run import run


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    before = dict(_task._tasks)
    _task._tasks.clear()
    yield
    _task._tasks.clear()
    _task._tasks.update(before)


@dataclass
class Crop:
    left: int
    top: int = 0


@dataclass
class Half:
    of: int
    by: int = 2


def declare() -> None:
    @lovage.task(retries=3)
    def thumbnail(image: bytes, max_side: int = 200, crop: Crop | None = None) -> dict[str, Any]:
        """Makes a thumbnail.

        Of a picture."""
        return {"size": len(image), "side": max_side, "crop": crop}

    @lovage.task(name="tidy-up")
    def tidy() -> None: ...

    @lovage.task
    def broken(how: str) -> int:
        if how == "raise":
            raise ValueError("boom")
        if how == "exit":
            raise SystemExit(3)
        if how == "cause":
            try:
                int("x")
            except ValueError as error:
                raise Failure("no number", kind="number").retry_after("50ms") from error
        return how  # type: ignore[return-value]

    @lovage.task(batch={"max": 10, "wait": "50ms"})
    def halves(calls: list[Half]) -> list[float | Failure]:
        if any(call.of == 13 for call in calls):
            raise ValueError("poison")
        if any(call.of == 14 for call in calls):
            return []
        odd = Failure("it is odd", kind="odd")
        return [call.of / call.by if call.of % 2 == 0 else odd for call in calls]


def failed(task: str, arguments: Any) -> Failure:
    with pytest.raises(Failure) as raised:
        run(task, arguments if isinstance(arguments, bytes) else encode(arguments))
    return raised.value


def test_a_task_stays_a_function() -> None:
    @lovage.task
    def add(a: int, b: int) -> int:
        return a + b

    assert add(1, b=2) == 3
    assert testing.call("add", a=1, b=2) == 3


def test_how_it_is_described() -> None:
    declare()
    tasks = testing.tasks()
    assert list(tasks) == ["thumbnail", "tidy-up", "broken", "halves"]
    info = tasks["thumbnail"]
    assert info.doc == "Makes a thumbnail.\n\nOf a picture."
    assert info.options.max_attempts == 4
    schema = info.input_schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["image"] and schema["additionalProperties"] is False
    assert schema["properties"]["image"] == {"type": "string", "contentEncoding": "base64"}
    assert schema["properties"]["max_side"] == {"type": "integer", "default": 200}
    assert schema["$defs"]["Crop"]["required"] == ["left"]
    assert tasks["tidy-up"].input_schema["properties"] == {}
    assert tasks["tidy-up"].output_schema["type"] == "null"
    assert list(tasks["halves"].input_schema["properties"]) == ["of", "by"]
    assert tasks["halves"].output_schema["type"] == "number"


def test_arguments_go_by_name() -> None:
    declare()
    result = testing.call("thumbnail", image=b"abc", crop={"left": 1})
    assert result == {"size": 3, "side": 200, "crop": {"left": 1, "top": 0}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"image": 5}, "argument `image` of `thumbnail`: expected binary data, not the number 5"),
        ({}, "argument `image` of `thumbnail` is missing"),
        (
            {"image": b"", "crop": {"left": "x"}},
            "argument `crop` of `thumbnail`: at `left`: expected an integer, not the text",
        ),
        (
            {"img": b""},
            "`thumbnail` has no argument `img`: its arguments are `image`, `max_side`, `crop`",
        ),
        ({1: 2}, "the input of `thumbnail` has a key that is no string"),
        ([1], "the input of `thumbnail` is no map of arguments"),
        (b"", "the input of `thumbnail` is no MessagePack"),
        (b"\x80\x00", "the input of `thumbnail` is no MessagePack"),
        (bytes.fromhex("82a5696d616765c400a5696d616765c400"), "is given twice"),
    ],
)
def test_arguments_that_do_not_fit(arguments: Any, said: str) -> None:
    declare()
    failure = failed("thumbnail", arguments)
    assert said in failure.message
    assert (failure.kind, failure.retry) == ("argument", Retry("never"))


def test_an_unknown_task_is_answered_with_the_list() -> None:
    declare()
    assert "there is no task `tidy`: there are `thumbnail`, `tidy-up`" in failed("tidy", {}).message


def test_an_error_becomes_a_failure_with_the_authors_traceback() -> None:
    declare()
    failure = failed("broken", {"how": "raise"})
    assert (failure.kind, failure.message) == ("ValueError", "boom")
    assert failure.detail is not None
    assert failure.detail.startswith("Traceback (most recent call last):\n")
    assert 'raise ValueError("boom")' in failure.detail
    assert "_run.py" not in failure.detail
    assert failed("broken", {"how": "exit"}).kind == "SystemExit"


def test_a_failure_keeps_its_advice_and_its_cause() -> None:
    declare()
    failure = failed("broken", {"how": "cause"})
    assert (failure.kind, failure.retry) == ("number", Retry("after", 50))
    assert failure.detail is not None and "invalid literal for int()" in failure.detail
    assert Failure("x").retry_now().retry == Retry("now")
    assert Failure("x").never_retry().retry_by_policy().retry == Retry("policy")


def test_a_result_of_another_type_is_a_failure() -> None:
    declare()
    failure = failed("broken", {"how": "return"})
    assert (failure.kind, failure.retry) == ("result", Retry("never"))
    assert failure.message.startswith("the result of `broken`: expected an integer")


def test_what_dataclasses_refuse_when_they_are_made_is_told() -> None:
    @dataclass
    class Even:
        n: int

        def __post_init__(self) -> None:
            if self.n == 0:
                raise LookupError("nothing")
            if self.n % 2:
                raise ValueError(f"{self.n} is odd")

        @property
        def half(self) -> float:
            return self.n / 2

    def one(even: Even) -> None: ...
    def many(evens: list[Even]) -> list[int]:
        return [it.n for it in evens]

    def lost(n: int) -> Even:
        even = Even(n)
        del even.n
        return even

    for function in (one, lost):
        function.__annotations__ |= {"even": Even} if function is one else {"return": Even}
        lovage.task(function)
    many.__annotations__["evens"] = list[Even]
    lovage.task(batch={"max": 9, "wait": "1s"})(many)
    odd = failed("one", {"even": {"n": 3}})
    assert (odd.kind, odd.retry) == ("argument", Retry("never"))
    assert odd.message == "argument `even` of `one`: 3 is odd"
    nothing = failed("one", {"even": {"n": 0}})
    assert (nothing.kind, nothing.message) == ("LookupError", "nothing")
    assert failed("lost", {"n": 2}).kind == "AttributeError"
    answers = testing.call_batch("many", [{"n": 2}, {"n": 3}, {"n": 0}])
    assert answers[0] == 2
    assert [it.kind for it in answers[1:]] == ["argument", "LookupError"]
    assert "the arguments of `many`: 3 is odd" in answers[1].message


def test_whoever_interrupts_a_test_is_heard() -> None:
    @lovage.task
    def waits() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        testing.call("waits")


def test_a_failure_is_of_text() -> None:
    failure = Failure(ValueError("no"), detail="half \ud800")  # type: ignore[arg-type]
    assert (failure.message, failure.detail) == ("no", "half ?")

    @lovage.task
    def wordy() -> None:
        raise ValueError("ä" * 20_000 + "\udcff the end")

    detail = failed("wordy", {}).detail
    assert detail is not None and detail.endswith("ää? the end")
    # What the host keeps.
    assert 15_000 < len(detail.encode()) <= 16 << 10


def test_memory_that_is_refused_is_the_hosts_to_tell() -> None:
    @lovage.task
    def eats() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        run("eats", encode({}))


def test_each_call_of_a_batch_has_an_answer_of_its_own() -> None:
    declare()
    answers = testing.call_batch("halves", [{"of": 4}, {"of": "x"}, {"of": 3}, {"of": 9, "by": 0}])
    assert answers[0] == 2.0
    assert answers[1].kind == "argument" and "`of` of `halves`" in answers[1].message
    assert answers[2].kind == answers[3].kind == "odd"
    assert testing.call("halves", of=8, by=4) == 2.0


def test_what_breaks_a_run_of_many_is_a_trap(capsys: pytest.CaptureFixture[str]) -> None:
    declare()
    for poison, said in ((13, "poison"), (14, "returned 0 results for 2 calls")):
        with pytest.raises(RuntimeError, match=said):
            testing.call_batch("halves", [{"of": 2}, {"of": poison}])
        assert said in capsys.readouterr().err
    (alone,) = testing.call_batch("halves", [{"of": 13}])
    assert (alone.kind, alone.message) == ("ValueError", "poison")


def test_declarations_that_cannot_be() -> None:
    async def waits() -> None: ...

    async def streams() -> AsyncIterator[int]:
        yield 1

    def yields() -> Iterator[int]:
        yield 1

    class Thumbs:
        def bound(self, side: int) -> None: ...

        @staticmethod
        def static(side: int) -> int:
            return side

    for function, said in [
        (waits, "no event loop"),
        (streams, "no event loop"),
        (yields, "no generator: in place of `yield`, return all of its values as a list"),
        (Thumbs.bound, "no method: declare it outside of the class"),
    ]:
        with pytest.raises(lovage.DeclarationError, match=f"plain function.*{said}"):
            lovage.task(function)  # type: ignore[call-overload]
    lovage.task(Thumbs.static)
    assert testing.call("static", side=3) == 3
    with pytest.raises(lovage.DeclarationError, match="is no function"):
        lovage.task(dict)

    def Upper() -> None: ...

    with pytest.raises(lovage.DeclarationError, match="no name of a task"):
        lovage.task(Upper)
    declare()

    def other() -> None: ...

    with pytest.raises(lovage.DeclarationError, match="another of that name"):
        lovage.task(name="thumbnail")(other)


ONE = """import functools
import lovage

def kept(function):
    @functools.wraps(function)
    def around(*a, **b):
        return function(*a, **b)
    return around

@lovage.task{how}
def add(a: int) -> int:
    return a
"""
TWO = """
@lovage.task{how}
def add(b: int) -> int:
    return b
"""


@pytest.mark.parametrize("how", ["", "\n@kept"])
def test_two_tasks_of_one_name_in_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "twice", raising=False)
    one, two = (text.replace("{how}", how) for text in (ONE, TWO))
    (tmp_path / "twice.py").write_text(one + two)
    with pytest.raises(lovage.DeclarationError, match="another of that name; set `name=` of one"):
        importlib.import_module("twice")


def test_a_module_may_be_imported_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "anew.py"
    file.write_text(ONE.replace("{how}", ""))
    module = importlib.import_module("anew")
    importlib.reload(module)
    # Whoever edits it moves its functions.
    file.write_text("\n\n" + ONE.replace("{how}", "").replace("return a\n", "return a + 1\n"))
    importlib.reload(module)
    assert testing.call("add", a=1) == 2
    del sys.modules["anew"]
    file.write_text(ONE.replace("{how}", ""))
    importlib.invalidate_caches()
    importlib.import_module("anew")
    assert testing.call("add", a=1) == 1
    del sys.modules["anew"]
    # So may what stands in a function that runs more than once.
    declare()
    declare()
    assert "thumbnail" in testing.tasks()


def test_signatures_that_cannot_be() -> None:
    def untyped(a) -> None: ...  # type: ignore[no-untyped-def]
    def many(*a: int) -> None: ...
    def positional(a: int, /) -> None: ...
    def number(a: complex) -> None: ...
    def result() -> complex: ...  # type: ignore[empty-body]

    for function, said in [
        (untyped, "argument `a` has no type"),
        (many, "a name each"),
        (positional, "it goes by name"),
        (number, "argument `a`: `complex` has no JSON Schema"),
        (result, "the result: `complex` has no JSON Schema"),
    ]:
        lovage.task(function)  # type: ignore[call-overload]
        task = _task.find(function.__name__)
        assert task is not None
        with pytest.raises(lovage.DeclarationError, match="task `") as raised:
            task.signature.input_schema()
        assert said in str(raised.value)

    @lovage.task(name="batched", batch={"max": 2, "wait": "1s"})
    def batched(a: int) -> list[int]:
        return [a]

    task = _task.find("batched")
    assert task is not None
    with pytest.raises(lovage.DeclarationError, match=r"calls: list\[Arguments\]"):
        task.signature.input_schema()


def test_numbers_that_json_does_not_have() -> None:
    @lovage.task
    def same(value: float = math.inf) -> float:
        return value

    assert math.isnan(testing.call("same", value=math.nan))
    assert testing.call("same") == math.inf
    assert "default" not in json.dumps(testing.tasks()["same"].input_schema)
    assert context.attempt() == 1
