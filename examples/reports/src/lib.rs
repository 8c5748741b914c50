//! Keeps sales in a database that the operator names, and reports of them.

#[cfg(test)]
mod tests;

use lovage::sql::{self, Rows, ToValue, Transaction, Value};
use lovage::{Bytes, Failure};

lovage::wants!["sql reports"];

/// The connection, by the name that was granted.
const REPORTS: &str = "reports";

/// Some of an article that were sold.
#[lovage::data]
#[derive(Debug, PartialEq)]
struct Sale {
    article: String,
    amount: i64,
}

/// Makes the table, where there is none.
#[lovage::task]
fn prepare() -> Result<(), Failure> {
    let table = "create table if not exists sales (article text not null, amount bigint not null check (amount > 0))";
    sql::query(REPORTS, table, &[])?;
    Ok(())
}

/// Puts sales in, all or none, and tells how many there are now.
#[lovage::task]
fn sell(sales: Vec<Sale>) -> Result<i64, Failure> {
    let transaction = Transaction::begin(REPORTS).map_err(failed)?;
    for Sale { article, amount } in &sales {
        // Both databases know numbered placeholders of this kind.
        let insert = "insert into sales (article, amount) values ($1, $2)";
        transaction
            .query(insert, &[article, amount])
            .map_err(failed)?;
    }
    let found = transaction.query("select count(*) as n from sales", &[])?;
    transaction.commit().map_err(failed)?;
    Ok(found.one()?.get("n")?)
}

/// The articles, and how many of each were sold.
#[lovage::task]
fn totals(least: Option<i64>) -> Result<Vec<Sale>, Failure> {
    let totals = "select article, cast(sum(amount) as bigint) as total from sales
        group by article having sum(amount) >= $1 order by article";
    let found = sql::query(REPORTS, totals, &[&least.unwrap_or(1)]).map_err(failed)?;
    let sale = |row: sql::Row| {
        Ok(Sale {
            article: row.get("article")?,
            amount: row.get("total")?,
        })
    };
    found.into_iter().map(sale).collect()
}

/// A value of any type.
#[lovage::data]
#[serde(untagged)]
enum Cell {
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Bytes),
}

/// What a statement brought back.
#[lovage::data]
struct Answer {
    columns: Vec<String>,
    rows: Vec<Vec<Option<Cell>>>,
    affected: u64,
}

/// Carries out any statement: its parameters are texts, which fit whatever type is wanted in Postgres.
#[lovage::task(retries = 0)]
fn ask(
    statement: String,
    parameters: Option<Vec<String>>,
    connection: Option<String>,
) -> Result<Answer, Failure> {
    let parameters = parameters.unwrap_or_default();
    let parameters: Vec<&dyn ToValue> = parameters.iter().map(|it| it as &dyn ToValue).collect();
    let connection = connection.as_deref().unwrap_or(REPORTS);
    let found = sql::query(connection, &statement, &parameters).map_err(failed)?;
    Ok(answer(&found))
}

/// Carries a statement out in a transaction that it never commits, and waits until it is stopped.
#[lovage::task(retries = 0)]
fn linger(statement: String) -> Result<(), Failure> {
    let transaction = Transaction::begin(REPORTS).map_err(failed)?;
    transaction.query(&statement, &[]).map_err(failed)?;
    lovage::context::progress(None, "lingers")?;
    loop {
        // However it ends, nothing of it counts.
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn answer(found: &Rows) -> Answer {
    let cell = |value: &Value| match value {
        Value::Null => None,
        Value::Boolean(it) => Some(Cell::Boolean(*it)),
        Value::Integer(it) => Some(Cell::Integer(*it)),
        Value::Real(it) => Some(Cell::Real(*it)),
        Value::Text(it) => Some(Cell::Text(it.clone())),
        Value::Blob(it) => Some(Cell::Blob(Bytes(it.clone()))),
    };
    let rows = found
        .iter()
        .map(|row| row.values().iter().map(cell).collect());
    Answer {
        columns: found.columns().to_vec(),
        rows: rows.collect(),
        affected: found.affected(),
    }
}

/// What no other attempt would mend is not tried again.
fn failed(e: sql::Error) -> Failure {
    let failure = Failure::new(e.to_string()).kind("sql");
    match e.may_retry() {
        true => failure,
        false => failure.never_retry(),
    }
}
