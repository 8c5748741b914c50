"""What a type checker has to say of the generated example. It is checked and never run:
an error that is expected is named at its line, and one that does not come is itself one."""

from datetime import timedelta
from typing import Any, assert_type

from typed.generated_example import AsyncBasics, Basics, Embedded, Seen, add, bytes_, whoami

from lovage_client import AsyncClient, AsyncJob, Call, Client, Job


def right(client: Client) -> None:
    basics = Basics(client)
    assert_type(basics.add(a=1, b=2), Job[int])
    assert_type(basics.add(a=1, b=2).result(), int)
    assert_type(basics.bytes.within(5, length=3), bytes)
    assert_type(basics.embed.with_options(queue="high", timeout=2)(text="x"), Job[Embedded])
    assert_type(basics.embed(text="x").result(timeout=5)["vector"], list[float])
    assert_type(basics.embed(text="x").result("5s")["together"], int)
    assert_type(basics.add.within(timedelta(seconds=5), a=1, b=2), int)
    assert_type(basics.whoami().result(), Seen)
    assert_type(add(a=1, b=2), Call[int])
    assert_type(client.enqueue(bytes_(length=1), priority=9), Job[bytes])
    assert_type(client.enqueue_many(add(a=n, b=n) for n in range(3)), list[Job[int]])
    assert_type(client.enqueue("basics.add", {"a": 1}), Job[Any])
    basics.fail(message="x")
    basics.fail(message="x", next="never")
    assert_type(client.images.thumbnail(image=b"", max_side=200), Job[Any])
    assert_type(client.task("images.thumbnail").within(5, x=1), Any)


async def right_as_well(client: AsyncClient) -> None:
    basics = AsyncBasics(client)
    assert_type(await basics.add(a=1, b=2), AsyncJob[int])
    assert_type(await basics.bytes.within(5, length=3), bytes)
    assert_type(await (await basics.whoami()).result(), Seen)
    assert_type(await client.enqueue(whoami()), AsyncJob[Seen])
    assert_type(await client.enqueue_many([add(a=1, b=1)], key="k"), list[AsyncJob[int]])
    assert_type(await client.images.thumbnail(image=b""), AsyncJob[Any])


def wrong(client: Client) -> None:
    basics = Basics(client)
    basics.add(a="one", b=2)  # type: ignore[arg-type]
    basics.add(a=1)  # type: ignore[call-arg]
    basics.add(a=1, b=2, c=3)  # type: ignore[call-arg]
    basics.add(1, 2)  # type: ignore[call-arg]
    basics.add.within([5], a=1, b=2)  # type: ignore[arg-type]
    basics.fail(message="x", next="soon")  # type: ignore[arg-type]
    basics.embed.with_options(quue="high")  # type: ignore[call-arg]
    basics.embed.with_options(priority="9")  # type: ignore[arg-type]
    basics.embed(text="x").result()["vectors"]  # type: ignore[misc]
    basics.nothing()  # type: ignore[attr-defined]
    text: str = basics.add(a=1, b=2).result()  # type: ignore[assignment]
    client.enqueue(bytes_(length=text))  # type: ignore[arg-type]
    client.enqeue("basics.add")  # type: ignore[operator]


async def wrong_as_well(client: AsyncClient) -> None:
    basics = AsyncBasics(client)
    await basics.add(a="one", b=2)  # type: ignore[arg-type]
    await basics.add.within(5, a=1)  # type: ignore[call-arg]
    (await basics.bytes(length=1)).result() + b""  # type: ignore[operator]
    Basics(client)  # type: ignore[arg-type]
