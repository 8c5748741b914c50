"""What goes in comes out, of every type."""

from dataclasses import dataclass
from typing import Any

import lovage
from lovage import sql


@dataclass
class Number:
    n: int


@dataclass
class Nested:
    label: str
    inner: list[Number]


@dataclass
class Types:
    text: str
    big: int
    small: int
    real: float
    flag: bool
    blob: bytes
    items: list[int]
    named: dict[str, int]
    maybe: str | None
    nested: Nested


@lovage.task
def echo(value: Any) -> Any:
    """Returns what it is given."""
    return value


@lovage.task
def types(
    text: str,
    big: int,
    small: int,
    real: float,
    flag: bool,
    blob: bytes,
    items: list[int],
    named: dict[str, int],
    nested: Nested,
    maybe: str | None = None,
) -> Types:
    """Returns a record of what it is given."""
    return Types(text, big, small, real, flag, blob, items, named, maybe, nested)


@lovage.task
def empty() -> None:
    """Returns nothing."""


@lovage.task
def size(blob: bytes) -> int:
    """How many bytes it is given."""
    return len(blob)


@lovage.task
def blob(size: int) -> bytes:
    """So many bytes of the value 7."""
    return b"\x07" * size


@dataclass
class Text:
    text: str


@lovage.task(batch={"max": 10, "wait": "50ms"})
def words(calls: list[Text]) -> list[int]:
    """How many words each text has."""
    return [len(call.text.split()) for call in calls]


@lovage.task
def configured(key: str) -> str | None:
    """A value of the tenant's."""
    return lovage.config.get(key)


@dataclass
class Kept:
    value: bytes | None
    gone: bool
    count: int
    keys: list[str]


@lovage.task
def kept(value: bytes) -> Kept:
    """Keeps a value and a count in a bucket, and tells what is there."""
    bucket = lovage.bucket.open("conformance")
    bucket.set("value", value)
    bucket.set("gone", "soon")
    bucket.delete("gone")
    bucket.increment("count", 5)
    count = bucket.increment("count", -3)
    return Kept(bucket.get("value"), bucket.exists("gone"), count, list(bucket.keys()))


@dataclass
class Row:
    number: int
    text: str | None


@lovage.task
def stored(number: int) -> list[Row]:
    """Adds a row in a transaction that counts, and one in another that does not; the rows that there are."""
    database = sql.open("conformance")
    database.execute("create table if not exists stored (number integer, text text)")
    insert = "insert into stored (text, number) values ($2, $1)"
    with database.transaction() as transaction:
        transaction.execute(insert, [number, "ä"])
    with database.transaction() as transaction:
        transaction.execute(insert, [0, "lost"])
        transaction.rollback()
    database.execute(insert, [-1, None])
    rows = database.query("select * from stored order by number")
    return [Row(row["number"], row["text"]) for row in rows]
