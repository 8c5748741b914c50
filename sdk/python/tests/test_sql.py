"""Databases: statements, transactions and values, on what stands in for a worker's."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from lovage import CallError, SqlError, sql
from lovage._host import SqlValue
from lovage.testing import Context

BANK = """
create table accounts (id integer primary key, balance integer not null check (balance >= 0));
insert into accounts values (1, 100), (2, 0);
"""
ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


class Kind(Enum):
    NEW = "new"


@pytest.fixture
def bank() -> Iterator[sql.Connection]:
    with Context(databases={"bank": BANK}):
        yield sql.open("bank")


def move(statements: sql.Connection | sql.Transaction, id: int, amount: int) -> int:
    # As Postgres has it: by number, and not by place.
    update = "update accounts set balance = balance + $2 where id = $1"
    return statements.execute(update, [id, amount])


def balances(statements: sql.Connection | sql.Transaction) -> list[int]:
    return [row[0] for row in statements.query("select balance from accounts order by id")]


def test_rows_are_tuples_that_know_their_columns(bank: sql.Connection) -> None:
    found = bank.query("select id, balance, id from accounts where balance < ?1 order by 1", [200])
    assert (found.columns, len(found), found.affected) == (("id", "balance", "id"), 2, 2)
    assert list(found) == [(1, 100, 1), (2, 0, 2)] and found[1:] == [(2, 0, 2)]
    row = found[0]
    assert (row["balance"], row[-1], row[:2]) == (100, 1, (1, 100))
    assert dict(row) == {"id": 1, "balance": 100}
    with pytest.raises(KeyError, match="no column `name`: there are `id`, `balance`"):
        row["name"]
    assert bank.query("select 7 as n").one()["n"] == 7
    for statement, count in (("select 1 where false", 0), ("select id from accounts", 2)):
        with pytest.raises(LookupError, match=f"one row was asked for, and there are {count}"):
            bank.query(statement).one()


def test_how_many_rows_were_changed(bank: sql.Connection) -> None:
    assert move(bank, 2, 5) == 1 and move(bank, 3, 5) == 0
    assert bank.execute("create table other (n)") == 0
    returned = bank.query("insert into other values (?), (?) returning n", [1, 2])
    assert (list(returned), returned.affected) == ([(1,), (2,)], 2)


@pytest.mark.parametrize(
    ("parameter", "comes"),
    [
        (None, None),
        (True, 1),
        ((1 << 63) - 1, (1 << 63) - 1),
        (-(1 << 63), -(1 << 63)),
        (1.5, 1.5),
        ("größer \0", "größer \0"),
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        (Kind.NEW, "new"),
        (date(2027, 1, 31), "2027-01-31"),
        (datetime(2027, 1, 31, 9, tzinfo=UTC), "2027-01-31T09:00:00+00:00"),
        (Decimal("1.10"), "1.10"),
        (ID, str(ID)),
    ],
)
def test_values_go_and_come(bank: sql.Connection, parameter: Any, comes: SqlValue) -> None:
    value = bank.query("select $1 as it", [parameter]).one()["it"]
    assert value == comes and type(value) is type(comes)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ([1, 1 << 63], "parameter 2: the integer 9223372036854775808 has more than 64 bits"),
        (["\ud800"], "parameter 1: it holds half of a surrogate pair"),
        ([{"a": 1}], "parameter 1: a `dict` has no form in a database"),
        ("ann", "parameters are a list"),
        ([], "invalid: "),
    ],
)
def test_parameters_that_are_none(bank: sql.Connection, parameters: Any, said: str) -> None:
    with pytest.raises(SqlError) as raised:
        bank.query("select $1", parameters)
    assert said in str(raised.value) and raised.value.kind == "invalid"


def test_a_transaction_counts_whole_or_not_at_all(bank: sql.Connection) -> None:
    with bank.transaction() as transaction:
        assert move(transaction, 1, -60) == move(transaction, 2, 60) == 1
        assert balances(transaction) == [40, 60]
    assert balances(bank) == [40, 60]
    with pytest.raises(SqlError, match="CHECK constraint"), bank.transaction() as transaction:
        move(transaction, 2, 60)
        move(transaction, 1, -60)
    with pytest.raises(SystemExit), bank.transaction() as transaction:
        move(transaction, 1, -10)
        raise SystemExit
    assert balances(bank) == [40, 60]


def test_a_transaction_may_be_ended_before_its_block(bank: sql.Connection) -> None:
    with bank.transaction() as transaction:
        move(transaction, 1, -1)
        transaction.commit()
        for over in (transaction.rollback, lambda: transaction.query("select 1")):
            with pytest.raises(SqlError, match="this transaction is over"):
                over()
    with bank.transaction() as transaction:
        move(transaction, 1, -1)
        transaction.rollback()
    assert balances(bank) == [99, 0]


def test_an_error_that_leaves_goes_before_that_of_the_rollback(bank: sql.Connection) -> None:
    with pytest.raises(ValueError, match="boom"), bank.transaction() as transaction:
        # A transaction that SQLite has ended by itself: there is nothing to roll back.
        with pytest.raises(SqlError):
            transaction.execute("insert or rollback into accounts values (1, 1)")
        raise ValueError("boom")


def test_a_lock_is_worth_another_try(bank: sql.Connection) -> None:
    with bank.transaction(), pytest.raises(SqlError) as raised:
        bank.transaction()
    error = raised.value
    assert (error.kind, error.code, error.may_retry) == ("database", "5", True)
    assert isinstance(error, CallError)


def test_what_the_database_says_is_told(bank: sql.Connection) -> None:
    with pytest.raises(SqlError, match="UNIQUE constraint failed") as raised:
        bank.execute("insert into accounts values (1, 1)")
    error = raised.value
    assert (error.kind, error.code, error.may_retry) == ("database", "1555", False)
    assert str(error) == f"the database says 1555: {error.text}"
    for statement in ("begin", "commit", "attach 'x' as y", "select 1; select 2"):
        with pytest.raises(SqlError) as raised:
            bank.execute(statement)
        assert raised.value.kind == "invalid", statement


def test_what_an_attempt_leaves_open_is_rolled_back() -> None:
    context = Context(databases={"bank": BANK})
    with context:
        left = sql.open("bank").transaction()
        move(left, 1, -100)
    assert balances(context.databases["bank"]) == [100, 0]
    with context.next_attempt():
        move(sql.open("bank"), 1, -1)
    assert balances(context.databases["bank"]) == [99, 0]


def test_a_database_that_a_function_is() -> None:
    def answer(statement: str, parameters: list[SqlValue]) -> sql.Rows:
        if statement.startswith("update"):
            raise SqlError("unavailable", "not now")
        return sql.Rows(["day", "n"], [(parameters[0], 1)])

    with Context(databases={"shop": answer}):
        shop = sql.open("shop")
        found = shop.query("select $1::date, 1", [date(2027, 1, 31)])
        assert dict(found.one()) == {"day": "2027-01-31", "n": 1}
        with pytest.raises(SqlError) as raised, shop.transaction() as transaction:
            transaction.execute("update")
        assert raised.value.may_retry and str(raised.value) == "unavailable: not now"
        with pytest.raises(SqlError, match="unknown connection: the test has no `bank`"):
            sql.open("bank")
