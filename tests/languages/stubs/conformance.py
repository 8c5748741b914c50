"""Uses of the conformance modules' stubs, which are alike whatever the module is written in."""

from typing import Any, assert_type

from conformance import AsyncConformance, Conformance
from lovage_client import AsyncClient, AsyncJob, Client, Job


def right(client: Client) -> None:
    tasks = Conformance(client)
    assert_type(tasks.words(text="one two"), Job[int])
    assert_type(tasks.words(text="one two").result(), int)
    assert_type(tasks.blob(size=3).result(), bytes)
    assert_type(tasks.configured(key="greeting").result(), str | None)
    assert_type(tasks.children(count=2).result(), list[str])
    assert_type(tasks.echo(value=[1, "a", None]).result(), Any)
    types = tasks.types(
        big=2**60,
        blob=b"\0",
        flag=True,
        items=[1, 2],
        maybe=None,
        named={"a": 1},
        nested={"label": "x", "inner": [{"n": 1}]},
        real=0.5,
        small=3,
        text="t",
    ).result()
    assert_type(types["nested"]["inner"][0]["n"], int)
    assert_type(types["named"], dict[str, int])
    assert_type(tasks.about().result()["attempt"], int)


async def right_as_well(client: AsyncClient) -> None:
    tasks = AsyncConformance(client)
    assert_type(await tasks.words(text="one two"), AsyncJob[int])
    assert_type(await tasks.size.within(5, blob=b"x"), int)


def wrong(client: Client) -> None:
    tasks = Conformance(client)
    tasks.words()  # type: ignore[call-arg]
    tasks.words(text=1)  # type: ignore[arg-type]
    tasks.words(text="x", others=1)  # type: ignore[call-arg]
    tasks.size(blob="x")  # type: ignore[arg-type]
    tasks.no_such_task()  # type: ignore[attr-defined]
    number: str = tasks.words(text="x").result()  # type: ignore[assignment]
    tasks.about().result()["nothing"]  # type: ignore[misc]
    tasks.blob(size=number)  # type: ignore[arg-type]
