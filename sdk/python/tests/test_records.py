"""Dataclasses and TypedDicts: those of types, and what a dataclass fills in by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Generic, TypedDict, TypeVar

import pytest

from lovage._shapes import Definitions, Mismatch, UnsupportedType, shape_of

T = TypeVar("T")


@dataclass
class Node:
    label: str


@dataclass
class Page(Generic[T]):
    items: list[T]
    next: T | None = None


class Pair(TypedDict, Generic[T]):
    both: tuple[T, T]


@dataclass
class Numbers(Page[int]):
    total: T | None = None  # type: ignore[valid-type]


@dataclass
class Titled(Page[list[T]], Generic[T]):
    title: T | None = None


@dataclass
class Words(Titled[str]):
    items: list[str]  # type: ignore[assignment]


class Both(Pair[int]):
    more: str


class Keyed(Pair[T], Generic[T]):
    key: T


class KeyedText(Keyed[str]):
    pass


@dataclass
class Endless(Generic[T]):
    next: Endless[list[T]] | None


@dataclass
class Square:
    side: int
    area: int = field(init=False)

    def __post_init__(self) -> None:
        if self.side:
            self.area = self.side * self.side


@dataclass
class Matcher:
    text: str
    found: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        self.found = re.compile(self.text)


def test_a_generic_record_is_one_for_each_of_its_types() -> None:
    definitions = Definitions()
    shape = shape_of(tuple[Page[int], Page[Node], Page[int], Pair[str]])
    schema = shape.schema(definitions)
    assert [it["$ref"] for it in schema["prefixItems"]] == [
        "#/$defs/Page",
        "#/$defs/Page2",
        "#/$defs/Page",
        "#/$defs/Pair",
    ]
    assert definitions.schemas["Page"]["properties"]["items"]["items"] == {"type": "integer"}
    assert definitions.schemas["Page2"]["properties"]["next"]["anyOf"] == [
        {"$ref": "#/$defs/Node"},
        {"type": "null"},
    ]
    page = shape_of(Page[int])
    assert page.read({"items": [1]}) == Page([1]) and page.write(Page([1]))["items"] == [1]
    assert shape_of(Pair[int]).read({"both": [1, 2]}) == {"both": (1, 2)}
    with pytest.raises(Mismatch, match=r"at `items\[0\]`: expected an integer"):
        page.read({"items": ["x"]})
    with pytest.raises(UnsupportedType, match=r"in `Page`: `~T` is any type: say which, as in `P"):
        shape_of(Page)


def test_a_type_of_what_a_generic_record_is_filled_with() -> None:
    titled = shape_of(Titled[int])
    assert titled.read({"items": [[1]], "next": [2], "title": 3}) == Titled([[1]], [2], 3)
    words = shape_of(Words)
    assert words.read({"items": ["a"], "next": ["b"], "title": "c"}) == Words(["a"], ["b"], "c")
    for kind, of in ((Both, "integer"), (KeyedText, "string"), (Keyed[str], "string")):
        both = shape_of(kind).root(Definitions())["properties"]["both"]
        assert both["prefixItems"] == [{"type": of}] * 2
    assert shape_of(KeyedText).read({"both": ["a", "b"], "key": "c"})["key"] == "c"
    for shape, wrong in (
        (titled, {"items": [1]}),
        (titled, {"items": [], "next": 1}),
        (words, {"items": [["a"]]}),
        (words, {"items": [], "next": "b"}),
    ):
        with pytest.raises(Mismatch):
            shape.read(wrong)
    # Its own variable is not that of the type that it inherits from.
    with pytest.raises(UnsupportedType, match="in `Numbers`: `~T` is any type"):
        shape_of(Numbers)


def test_a_record_that_grows_without_end_is_refused() -> None:
    deep: Any = int
    for _ in range(10):
        deep = Page[deep]
    assert shape_of(deep).read({"items": []}) == Page([])
    with pytest.raises(UnsupportedType) as raised:
        shape_of(Endless[int])
    assert str(raised.value).startswith("in `Endless`: it holds itself of ever longer types")
    # Nothing is left of it.
    with pytest.raises(UnsupportedType, match="without end"):
        shape_of(Endless[int])


def test_what_a_dataclass_fills_in_is_written_and_not_read() -> None:
    shape = shape_of(Square)
    assert shape.root(Definitions())["properties"] == {"side": {"type": "integer"}}
    written = shape.root(Definitions(output=True))
    assert list(written["properties"]) == written["required"] == ["side", "area"]
    assert shape.write(Square(3)) == {"side": 3, "area": 9}
    assert shape.read({"side": 3, "area": 1}) == Square(3)
    with pytest.raises(Mismatch, match="at `area`: it is missing"):
        shape.write(Square(0))
    # What is not written may be of any type.
    matcher = shape_of(Matcher)
    assert matcher.read({"text": "a"}).found.pattern == "a"
    assert list(matcher.root(Definitions())["properties"]) == ["text"]
    with pytest.raises(UnsupportedType, match="its `found`: `Pattern` has no JSON Schema"):
        matcher.root(Definitions(output=True))
    with pytest.raises(Mismatch, match="at `found`: its `found`"):
        matcher.write(Matcher("a"))
