"""`lovage:task/sql` as databases. Imported in the sandbox alone, by a module that wants one."""

from __future__ import annotations

from typing import Any

from wit_world.imports import sql as wit

from lovage._calls import asked
from lovage._errors import CallErrorKind, SqlError
from lovage._host import SqlValue
from lovage.sql import Rows

_KINDS: dict[type, CallErrorKind] = {
    wit.SqlError_Denied: "denied",
    wit.SqlError_Unknown: "unknown",
    wit.SqlError_Invalid: "invalid",
    wit.SqlError_Limit: "limit",
    wit.SqlError_Unavailable: "unavailable",
}
_VALUES: dict[type, Any] = {
    bool: wit.Value_Boolean,
    int: wit.Value_Integer,
    float: wit.Value_Real,
    str: wit.Value_Text,
    bytes: wit.Value_Blob,
}


class Opened:
    def __init__(self, name: str) -> None:
        self.name = name

    def query(self, statement: str, parameters: list[SqlValue]) -> Rows:
        given = [_given(it) for it in parameters]
        return _rows(asked(lambda: wit.query(self.name, statement, given), _told))

    def begin(self) -> Begun:
        return Begun(asked(lambda: wit.Transaction.begin(self.name), _told))


class Begun:
    def __init__(self, transaction: Any) -> None:
        self.transaction = transaction

    def query(self, statement: str, parameters: list[SqlValue]) -> Rows:
        given = [_given(it) for it in parameters]
        return _rows(asked(lambda: self.transaction.query(statement, given), _told))

    def end(self, commit: bool) -> None:
        # Given back to the host, whatever it answers.
        with self.transaction as it:
            asked(it.commit if commit else it.rollback, _told)


def _told(error: Any) -> SqlError:
    if isinstance(error, wit.SqlError_Database):
        said = error.value
        return SqlError("database", said.message, code=said.code, retry=said.retry)
    return SqlError(_KINDS[type(error)], error.value)


def _given(value: SqlValue) -> Any:
    return wit.Value_Null() if value is None else _VALUES[type(value)](value)


def _rows(found: Any) -> Rows:
    rows = [[getattr(value, "value", None) for value in row] for row in found.rows]
    return Rows(found.columns, rows, found.affected)
