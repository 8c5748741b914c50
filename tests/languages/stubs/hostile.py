"""Uses of the stubs of a module whose author means no good."""

from typing import Any, assert_type

from hostile import ABResult, GoResult, Hostile
from lovage_client import Client


def right(client: Client) -> None:
    tasks = Hostile(client)
    result = tasks.go(__="\\", a___import_os_="x", d="d", r={"__class__": "c", "x\ny": 1}).result()
    assert_type(result, GoResult)
    assert_type(result.get("constructor"), str | None)
    assert_type(tasks.a_b2(anything=1).result(), ABResult)
    assert_type(tasks.a_b().result(), list[int])
    tasks.go(__="'''\"\"\"", a___import_os_="", s="text", t=object(), u=client)


def wrong(client: Client) -> None:
    tasks = Hostile(client)
    tasks.go(a___import_os_="x")  # type: ignore[call-arg]
    tasks.go(__="\n", a___import_os_="x")  # type: ignore[arg-type]
    tasks.go(__="\\", a___import_os_="x", s=1)  # type: ignore[arg-type]
    number: int = tasks.go(__="\\", a___import_os_="x").result()  # type: ignore[assignment]
    tasks.a_b2().result()["others"]  # type: ignore[misc]
    any_of: Any = number
    tasks.b_a(any_of)  # type: ignore[attr-defined]
