use super::*;
use lovage::serde_json::json;
use lovage::sql::Error;
use lovage::testing::{Context, call, wants};

fn salt() -> Sale {
    Sale {
        article: "salt".into(),
        amount: 2,
    }
}

#[test]
fn it_wants_its_connection() {
    assert_eq!(wants(), ["sql reports"]);
}

#[test]
fn totals_are_read_by_column() {
    let database = Context::new().sql(|connection, statement, parameters| {
        assert_eq!(
            (connection, parameters),
            ("reports", &[Value::Integer(5)][..])
        );
        assert!(
            statement.contains("having sum(amount) >= $1"),
            "{statement}"
        );
        Ok(Rows::new(&["article", "total"], &[&[&"salt", &7]]))
    });
    let (totals, _) = database.run(|| call::<Vec<Sale>>("totals", &json!({"least": 5})).unwrap());
    let seven = Sale {
        amount: 7,
        ..salt()
    };
    assert_eq!(totals, [seven]);
}

#[test]
fn sales_are_put_in_all_or_none() {
    let database = Context::new().sql(|_, statement, _| match statement.starts_with("insert") {
        true => Ok(Rows::default()),
        false => Ok(Rows::new(&["n"], &[&[&2]])),
    });
    let (sold, record) = database.run(|| sell(vec![salt(), salt()]));
    assert_eq!(sold.unwrap(), 2);
    assert_eq!(record.sql.len(), 5);
    assert_eq!(record.sql[4], "reports: commit");

    let refused = Context::new().sql(|_, _, _| {
        Err(Error::Database {
            code: "23514".into(),
            message: "no such amount".into(),
            retry: false,
        })
    });
    let (sold, record) = refused.run(|| sell(vec![salt(), salt()]));
    let failure = sold.unwrap_err();
    assert_eq!(failure.retry, lovage::Retry::Never, "{failure}");
    assert_eq!(record.sql.len(), 3);
    assert_eq!(record.sql[2], "reports: rollback");
}

#[test]
fn a_database_that_is_away_is_tried_again() {
    let away = Context::new().sql(|_, _, _| Err(Error::Unavailable("not now".into())));
    let (found, _) = away.run(|| ask("select 1".into(), None, None));
    let failure = found.map(drop).unwrap_err();
    assert_eq!(failure.retry, lovage::Retry::Policy, "{failure}");
}
