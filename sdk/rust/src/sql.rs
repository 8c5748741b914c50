//! Statements in databases that the operator has named, and the module was granted.
//!
//! A module wants a connection by [`wants!`](crate::wants): `sql NAME`. Where the database is, and what opens it, it
//! never sees. Placeholders are `$1`, `$2`, … in Postgres, and `?1`, `?2`, … in SQLite.
//!
//! ```
//! # extern crate lovage_sdk as lovage;
//! use lovage::{Failure, sql, testing::Context};
//!
//! lovage::wants!["sql shop"];
//!
//! /// How many orders a customer has.
//! #[lovage::task]
//! fn orders(customer: i64) -> Result<i64, Failure> {
//!     let found = sql::query("shop", "select count(*) as n from orders where customer = $1", &[&customer])?;
//!     Ok(found.one()?.get("n")?)
//! }
//!
//! let shop = Context::new().sql(|_, _, parameters| {
//!     assert_eq!(parameters, [sql::Value::Integer(7)]);
//!     Ok(sql::Rows::new(&["n"], &[&[&3]]))
//! });
//! assert_eq!(shop.run(|| orders(7)).0.unwrap(), 3);
//! ```

use crate::{Bytes, host};
use std::fmt;
use std::sync::Arc;

/// A parameter, or what a row has in a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A truth value. SQLite has none, and answers with the integers 0 and 1.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Real(f64),
    /// A text; also numbers of any size, dates and times, UUIDs and JSON, as the database writes them.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// What can be a parameter.
pub trait ToValue {
    /// The parameter.
    fn to_value(&self) -> Value;
}

/// What can be read from a column.
pub trait FromValue: Sized {
    /// The value as one of these, if it is one.
    fn from_value(value: &Value) -> Option<Self>;
}

/// Why a statement was not carried out, or its rows not read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The module was not granted this connection, or its tenant may not have it.
    Denied(String),
    /// The worker knows no connection of this name.
    Unknown(String),
    /// What was asked makes no sense; the text says what and where.
    Invalid(String),
    /// The database did not do it.
    Database {
        /// Its SQLSTATE; SQLite's extended result code as a number.
        code: String,
        /// What it says.
        message: String,
        /// Whether the same may succeed when it is tried again.
        retry: bool,
    },
    /// A limit on size, number or time was passed; the text names it.
    Limit(String),
    /// The database cannot be reached just now, or all connections are taken.
    Unavailable(String),
    /// What came back is not what was to be read.
    Column(String),
}

impl Error {
    /// Whether the same may succeed when it is tried again.
    pub fn may_retry(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Database { retry: true, .. }
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, text) = match self {
            Self::Denied(text) => ("not granted", text),
            Self::Unknown(text) => ("unknown connection", text),
            Self::Invalid(text) => ("invalid", text),
            Self::Database { code, message, .. } => {
                return write!(formatter, "the database says {code}: {message}");
            }
            Self::Limit(text) => ("over the limit", text),
            Self::Unavailable(text) => ("unavailable", text),
            Self::Column(text) => ("unexpected", text),
        };
        write!(formatter, "{what}: {text}")
    }
}

impl std::error::Error for Error {}

/// What a statement brought back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    columns: Arc<[String]>,
    rows: Vec<Row>,
    affected: u64,
}

/// One row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

impl Rows {
    /// Rows as a test has them: the columns' names, and values for each of them.
    pub fn new(columns: &[&str], rows: &[&[&dyn ToValue]]) -> Self {
        let values = |row: &&[&dyn ToValue]| row.iter().map(|it| it.to_value()).collect();
        let rows: Vec<Vec<Value>> = rows.iter().map(values).collect();
        let affected = rows.len() as u64;
        let columns = columns.iter().map(|it| (*it).into()).collect();
        Self::of(columns, rows, affected)
    }

    pub(crate) fn of(columns: Vec<String>, rows: Vec<Vec<Value>>, affected: u64) -> Self {
        let columns: Arc<[String]> = columns.into();
        let row = |values| Row {
            columns: columns.clone(),
            values,
        };
        Self {
            rows: rows.into_iter().map(row).collect(),
            columns,
            affected,
        }
    }

    /// The columns' names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many rows the statement changed; of one that only reads, how many it found.
    pub fn affected(&self) -> u64 {
        self.affected
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Row> {
        self.rows.iter()
    }

    /// The one row that there is; an error where there is none, or another one.
    pub fn one(mut self) -> Result<Row, Error> {
        match (self.rows.pop(), self.rows.len()) {
            (Some(row), 0) => Ok(row),
            (_, others) => {
                let found = if others == 0 {
                    "no row"
                } else {
                    "more than one row"
                };
                Err(Error::Column(format!(
                    "one row was asked for, and there is {found}"
                )))
            }
        }
    }
}

impl IntoIterator for Rows {
    type Item = Row;
    type IntoIter = std::vec::IntoIter<Row>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = &'a Row;
    type IntoIter = std::slice::Iter<'a, Row>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Row {
    /// What it has in the column of this name: the first, where there are more.
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T, Error> {
        let at = self.columns.iter().position(|it| it == column);
        match at {
            Some(at) => self.at(at),
            None => Err(Error::Column(format!("there is no column `{column}`"))),
        }
    }

    /// What it has in a column by its place, from 0.
    pub fn at<T: FromValue>(&self, column: usize) -> Result<T, Error> {
        let name = self.columns.get(column).map_or("", String::as_str);
        let value = self.values.get(column);
        let value = value.ok_or_else(|| Error::Column(format!("there is no column {column}")))?;
        T::from_value(value).ok_or_else(|| {
            let (has, wanted) = (value.kind(), std::any::type_name::<T>());
            Error::Column(format!("column `{name}` has {has}, which is no {wanted}"))
        })
    }

    /// Its values in their order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Boolean(_) => "a truth value",
            Self::Integer(_) => "a whole number",
            Self::Real(_) => "a number",
            Self::Text(_) => "a text",
            Self::Blob(_) => "bytes",
        }
    }
}

/// Carries one statement out, in a transaction of its own.
pub fn query(
    connection: &str,
    statement: &str,
    parameters: &[&dyn ToValue],
) -> Result<Rows, Error> {
    host::sql::query(connection, statement, values(parameters))
}

/// Statements of which all count or none. Dropped without [`commit`](Self::commit), it is rolled back.
///
/// ```
/// # extern crate lovage_sdk as lovage;
/// use lovage::sql::{Error, Transaction};
///
/// fn transfer(from: i64, to: i64, amount: i64) -> Result<(), Error> {
///     let transaction = Transaction::begin("bank")?;
///     let moved = "update accounts set balance = balance + $2 where id = $1";
///     transaction.query(moved, &[&from, &-amount])?;
///     transaction.query(moved, &[&to, &amount])?;
///     transaction.commit()
/// }
/// ```
#[derive(Debug)]
#[must_use = "it is rolled back when it is dropped"]
pub struct Transaction(host::sql::Transaction);

impl Transaction {
    /// Begins one. An attempt has at most four open.
    pub fn begin(connection: &str) -> Result<Self, Error> {
        host::sql::Transaction::begin(connection).map(Self)
    }

    /// Carries a statement out in it.
    pub fn query(&self, statement: &str, parameters: &[&dyn ToValue]) -> Result<Rows, Error> {
        self.0.query(statement, values(parameters))
    }

    /// Lets all of it count.
    pub fn commit(self) -> Result<(), Error> {
        self.0.commit()
    }

    /// Lets none of it count.
    pub fn rollback(self) -> Result<(), Error> {
        self.0.rollback()
    }
}

fn values(parameters: &[&dyn ToValue]) -> Vec<Value> {
    parameters.iter().map(|it| it.to_value()).collect()
}

impl ToValue for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Boolean(it) => Some(*it),
            Value::Integer(it @ (0 | 1)) => Some(*it == 1),
            _ => None,
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Real(it) => Some(*it),
            // As SQLite stores a number that is whole.
            #[allow(clippy::cast_precision_loss)]
            Value::Integer(it) => Some(*it as f64),
            _ => None,
        }
    }
}

macro_rules! to_value {
    ($($of:ty: $it:ident => $value:expr;)+) => {
        $(impl ToValue for $of {
            fn to_value(&self) -> Value {
                let $it = self;
                $value
            }
        })+
    };
}

to_value! {
    bool: it => Value::Boolean(*it);
    f32: it => Value::Real((*it).into());
    f64: it => Value::Real(*it);
    str: it => Value::Text(it.into());
    String: it => Value::Text(it.clone());
    [u8]: it => Value::Blob(it.into());
    Vec<u8>: it => Value::Blob(it.clone());
    Bytes: it => Value::Blob(it.0.clone());
}

macro_rules! integers {
    ($($of:ty),+) => {
        $(impl ToValue for $of {
            fn to_value(&self) -> Value {
                Value::Integer((*self).into())
            }
        }

        impl FromValue for $of {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::Integer(it) => (*it).try_into().ok(),
                    _ => None,
                }
            }
        })+
    };
}

integers!(i8, i16, i32, i64, u8, u16, u32);

macro_rules! from_value {
    ($($of:ty: $case:ident($it:ident) => $value:expr;)+) => {
        $(impl FromValue for $of {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::$case($it) => Some($value),
                    _ => None,
                }
            }
        })+
    };
}

from_value! {
    String: Text(it) => it.clone();
    Vec<u8>: Blob(it) => it.clone();
    Bytes: Blob(it) => Bytes(it.clone());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Context;

    #[test]
    fn a_row_is_read_by_type() {
        let rows = Rows::new(&["n", "name", "none"], &[&[&300, &"a", &None::<i64>]]);
        assert_eq!((rows.len(), rows.affected()), (1, 1));
        let row = rows.one().unwrap();
        assert_eq!(row.get::<i64>("n"), Ok(300));
        assert_eq!(row.get::<f64>("n"), Ok(300.0));
        assert_eq!(row.get::<Option<String>>("name"), Ok(Some("a".into())));
        assert_eq!(row.get::<Option<i64>>("none"), Ok(None));
        let says = |e: Result<i64, Error>, text: &str| {
            let said = e.unwrap_err().to_string();
            assert!(said.contains(text), "{said}");
        };
        says(row.get("name"), "column `name` has a text");
        says(row.get("none"), "has nothing");
        says(row.get("other"), "no column `other`");
        assert!(row.get::<u8>("n").is_err(), "300 is past its range");
        assert!(Rows::default().one().is_err());
    }

    #[test]
    fn what_is_not_committed_is_rolled_back() {
        let moved = |commit: bool| {
            let context = Context::new().sql(|_, _, _| Ok(Rows::default()));
            let (_, record) = context.run(|| {
                let transaction = Transaction::begin("bank").unwrap();
                transaction.query("update", &[&1]).unwrap();
                if commit {
                    transaction.commit().unwrap();
                }
            });
            record.sql
        };
        assert_eq!(moved(true), ["bank: begin", "bank: update", "bank: commit"]);
        assert_eq!(
            moved(false),
            ["bank: begin", "bank: update", "bank: rollback"]
        );
        let denied = query("bank", "select 1", &[]).unwrap_err();
        assert!(matches!(denied, Error::Unknown(_)), "{denied}");
    }
}
