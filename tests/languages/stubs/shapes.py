"""Uses of the stubs of schemas of every shape."""

from typing import Any, Never, assert_type

from lovage_client import Client
from my_shapes import (
    Drawing,
    MergedResultLeft,
    MergedResultRight,
    MyShapes,
    Nested,
    Shape,
    types,
)


def right(client: Client, nested: Nested, anything: dict[str, object]) -> None:
    tasks = MyShapes(client)
    needed = types(
        text="t",
        big=2**63,
        small=1,
        real=1,
        flag=False,
        blob=b"",
        items=[],
        named={"a": 1},
        nested={"label": "l", "inner": [{"n": 1}]},
        pair=("a", 1),
        from_="2026-01-01T00:00:00Z",
    )
    assert_type(client.enqueue(needed).result(), Nested)
    tasks.types.call(
        text="t",
        big=0,
        small=1,
        real=0.5,
        flag=True,
        blob=b"",
        items=[1],
        named={},
        nested=nested,
        pair=("a", 1),
        from_="",
        any=object(),
        bounded=2**64 - 1,
        content_type="text/plain",
        maybe=None,
        own=nested,
        place={"x": 1.5},
        rest=["a", 1.5],
        tags=["a", 1],
        unit="inch",
    )
    tasks.tree(root={"children": [{"children": []}], "up": None}, value=[None, {"a": [1.5]}])
    assert_type(tasks.tree(root={"children": []}).result(), list[str | int])
    shape: Shape = {"kind": "square", "side": 1, "class": "c"}
    drawn = tasks.draw(shape=shape).result()
    assert_type(drawn, Drawing)
    assert_type(drawn["pixels"], bytes)
    assert_type(tasks.merged(a=1, b="b").result(), MergedResultLeft | MergedResultRight)
    tasks.open_ended(known="a", other=1)
    tasks.whatever(a=1, b=[anything])
    assert_type(tasks.task().result(), None)
    tasks.import_(class_2="class", class_="class_")
    assert_type(tasks._3d().result()["x"], int)
    # What only some values have may be there.
    tasks.conditional(kind="file", path="p")
    tasks.conditional(kind="url", address="a", tries=3)
    met = tasks.conditional(kind="url").result()
    assert_type(met["kind"], str)
    assert_type(met.get("a"), int | None)
    tasks.either(id="a", left=1)
    tasks.either(id="a", right="b", size=1, unit="mm")
    assert_type(tasks.either(id="a", left=1).result()["kind"], str)
    assert_type(tasks.either(id="a", left=1).result().get("extra"), int | None)
    # What is named by a pattern alone may have any name.
    more: dict[str, Any] = {"x-b": 2}
    tasks.patterned(known="k", headers={"x-a": "1"}, **more)
    tasks.patterned(mixed={"a": 1, "x-b": [None]}, named={"y": anything})
    tasks.patterned(mixed=anything)
    assert_type(tasks.patterned().result()[0].get("a"), int | None)
    tasks.builtin(int="i", str=1, list={"int": "i", "list": [1, 2], "n": 3})
    assert_type(tasks.builtin(int="i", str=1).result(), None)


def wrong(client: Client) -> None:
    tasks = MyShapes(client)
    tasks.merged(a=1)  # type: ignore[call-arg]
    tasks.merged(a="1", b="b")  # type: ignore[arg-type]
    tasks.merged(a=1, b="b", c=1)  # type: ignore[call-arg]
    tasks.merged(1, "b")  # type: ignore[call-arg]
    tasks.task(a=1)  # type: ignore[call-arg]
    tasks.open_ended(known=1)  # type: ignore[arg-type]
    tasks.nothing()  # type: ignore[attr-defined]
    tasks.draw(shape={"kind": "circle"})  # type: ignore[arg-type]
    tasks.draw(shape={"kind": "round", "radius": 1})  # type: ignore[typeddict-item]
    tasks.tree(root={"children": [1]})  # type: ignore[list-item]
    tasks.tree(root={"childs": []})  # type: ignore[typeddict-item]
    tasks.conditional(path="p")  # type: ignore[call-arg]
    tasks.conditional(kind="folder")  # type: ignore[arg-type]
    tasks.conditional(kind="file", path=1)  # type: ignore[arg-type]
    tasks.either(id="a", left="b")  # type: ignore[arg-type]
    tasks.either(id="a", middle=1)  # type: ignore[call-arg]
    tasks.patterned(headers={"x-a": 1})  # type: ignore[dict-item]
    tasks.patterned(named={"x": 1})  # type: ignore[typeddict-item]
    tasks.builtin(int=1, str=1)  # type: ignore[arg-type]
    tasks.builtin(int="i", str=1, list={"int": 1, "list": []})  # type: ignore[typeddict-item]
    number: int = tasks.tree(root={"children": []}).result()  # type: ignore[assignment]
    tasks.import_(class_=number, class_2="")  # type: ignore[arg-type]
    tasks.draw(shape={"kind": "circle", "radius": 1}).result()["pixel"]  # type: ignore[misc]


def never(client: Client) -> Never:
    MyShapes(client).whatever().result()
