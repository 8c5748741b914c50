"""Statements in databases that the operator has named, by the grant `sql NAME`.

    shop = sql.open("shop")
    for row in shop.query("select id, total from orders where day = $1", [day]):
        print(row["id"], row["total"])
    with shop.transaction() as transaction:  # rolled back by whatever error leaves it
        transaction.execute("update orders set paid = true where id = $1", [id])

Placeholders are `$1`, `$2`, … in Postgres, and `?1`, `?2`, … in SQLite. What goes wrong is a
`lovage.SqlError`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from datetime import date, time
from decimal import Decimal
from enum import Enum
from types import TracebackType
from typing import Any, Self, SupportsIndex, overload
from uuid import UUID

from lovage import _host
from lovage._errors import CallError, SqlError

__all__ = ["Connection", "Parameter", "Row", "Rows", "Transaction", "open"]

#: Dates, times, numbers of any size and UUIDs go as texts, which fit whatever type is wanted.
Parameter = _host.SqlValue | bytearray | memoryview | date | time | Decimal | UUID | Enum


class Row(tuple[Any, ...]):
    """One row: a tuple whose values also go by their columns, as in `row["total"]`."""

    _columns: tuple[str, ...] = ()

    @overload
    def __getitem__(self, at: SupportsIndex | str) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Any, ...]: ...
    def __getitem__(self, at: SupportsIndex | str | slice) -> Any:
        if not isinstance(at, str):
            return super().__getitem__(at)
        if at not in self._columns:
            known = "`, `".join(self._columns)
            raise KeyError(f"there is no column `{at}`: there are `{known}`")
        return super().__getitem__(self._columns.index(at))

    def keys(self) -> tuple[str, ...]:
        """The columns' names, so that `dict(row)` is what it should be."""
        return self._columns


class Rows(Sequence[Row]):
    """What a statement brought back."""

    def __init__(
        self,
        columns: Iterable[str],
        rows: Iterable[Iterable[_host.SqlValue]] = (),
        affected: int | None = None,
    ) -> None:
        self.columns = tuple(columns)
        self._rows = [self._row(values) for values in rows]
        #: How many rows the statement changed; of one that only reads, how many it found.
        self.affected = len(self._rows) if affected is None else affected

    def _row(self, values: Iterable[_host.SqlValue]) -> Row:
        row = Row(values)
        row._columns = self.columns
        return row

    def one(self) -> Row:
        """The one row that there is; a `LookupError` where there is none, or another one."""
        if len(self._rows) != 1:
            raise LookupError(f"one row was asked for, and there are {len(self._rows)}")
        return self._rows[0]

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        return self._rows[at]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"Rows({self.columns!r}, {self._rows!r}, {self.affected})"


class _Statements:
    """What a connection and a transaction have in common."""

    def __init__(self, host: _host.StatementsHost) -> None:
        self._statements = host

    def query(self, statement: str, parameters: Sequence[Parameter] = ()) -> Rows:
        """Carries one statement out, and answers with its rows.

        Values are None, `bool`, `int` of 64 bits, `float`, `str` and `bytes`. Whatever else a
        database has, such as dates, numbers of any size, UUIDs and JSON, comes as a text, as the
        database writes it. SQLite has no boolean, and answers with 0 and 1."""
        if isinstance(parameters, str | bytes):
            raise SqlError("invalid", "parameters are a list, as in `[name]`")
        given = [_value(place, it) for place, it in enumerate(parameters, start=1)]
        return self._statements.query(statement, given)

    def execute(self, statement: str, parameters: Sequence[Parameter] = ()) -> int:
        """The same, and answers with how many rows it changed."""
        return self.query(statement, parameters).affected


class Connection(_Statements):
    """A database by its name. Each statement is in a transaction of its own."""

    def __init__(self, host: _host.DatabaseHost) -> None:
        super().__init__(host)
        self._host = host

    def transaction(self) -> Transaction:
        """Begins a transaction, for `with`. An attempt has at most four open."""
        return Transaction(self._host.begin())


class Transaction(_Statements):
    """Statements of which all count or none. Leaving its `with` commits it, and rolls it back
    where an error leaves; so does the end of the attempt."""

    def __init__(self, host: _host.TransactionHost) -> None:
        super().__init__(host)
        self._host = host
        self._over = False

    def query(self, statement: str, parameters: Sequence[Parameter] = ()) -> Rows:
        self._check()
        return super().query(statement, parameters)

    query.__doc__ = _Statements.query.__doc__

    def commit(self) -> None:
        """Lets all of it count, before its `with` is left. It is over then, also by an error."""
        self._end(commit=True)

    def rollback(self) -> None:
        """Lets none of it count. It is over then, also by an error."""
        self._end(commit=False)

    def _end(self, commit: bool) -> None:
        self._check()
        self._over = True
        self._host.end(commit)

    def _check(self) -> None:
        if self._over:
            raise SqlError("invalid", "this transaction is over")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._over:
            return
        if error is None:
            self.commit()
            return
        # The error that leaves says more; what is still open ends with the attempt.
        with contextlib.suppress(CallError):
            self.rollback()


def open(name: str) -> Connection:
    """The database that the operator calls so. What was not granted is a `lovage.SqlError` of the
    kind `denied`, at the first statement."""
    return Connection(_host.current().sql(name))


def _value(place: int, value: object) -> _host.SqlValue:
    match value:
        case Enum():
            return _value(place, value.value)
        case None | bool():
            return value
        case float():
            return float(value)
        case int() if -(1 << 63) <= value < 1 << 63:
            return int(value)
        case int():
            why = f"the integer {value} has more than 64 bits: a `Decimal` may have them"
        case str() if _is_text(value):
            return str(value)
        case str():
            why = "it holds half of a surrogate pair"
        case bytes() | bytearray() | memoryview():
            return bytes(value)
        case date() | time():
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case _:
            why = f"a `{type(value).__name__}` has no form in a database"
    raise SqlError("invalid", f"parameter {place}: {why}")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
