//! `[sql.NAME]` as operators write it.

use crate::support::postgres::PASSWORD;
use crate::support::site::{Ran, Site};

/// Starts a worker with a configuration that it must refuse.
async fn refused(site: &Site, text: &str, said: &[&str]) {
    site.write("lovage.toml", text);
    let ran = site.lovage(&["worker"]).await.fails(2, said);
    assert!(!format!("{ran:?}").contains(PASSWORD), "{ran:?}");
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place_and_without_the_password() {
    let site = Site::sqlite();
    let url = "url = 'postgres://app@db.example.com/main'";
    for (text, said) in [
        (
            format!("[sql.main]\nurl = 'postgres://app:{PASSWORD}@db/main'"),
            "`sql.main.url`: a password",
        ),
        (
            "[sql.main]\nurl = 'mysql://db/main'".into(),
            "`sql.main.url`: write `postgres://",
        ),
        ("[sql.main]\npool = 4".into(), "missing field `url`"),
        (
            format!("[sql.main]\n{url}\npools = 4"),
            "lovage.toml:3: `sql.main.pools`: unknown field",
        ),
        (
            format!("[sql.main]\n{url}\npool = 0"),
            "`sql.main.pool`: is a number from 1",
        ),
        (
            format!("[sql.main]\n{url}\nrows = 0"),
            "`sql.main.rows`: must not be zero",
        ),
        (
            format!("[sql.main]\n{url}\nbytes = '1GiB'"),
            "`sql.main.bytes`: is a size",
        ),
        (
            format!("[sql.main]\n{url}\ntimeout = '0s'"),
            "`sql.main.timeout`: must not be zero",
        ),
        (
            format!("[sql.main]\n{url}\ntenants = []"),
            "`sql.main.tenants`: nobody may have it",
        ),
        (
            format!("[sql.main]\n{url}\npassword = 4711"),
            "put it in quotes",
        ),
        (
            format!("[sql.main]\n{url}\npassword_file = 'none'"),
            "cannot read the password of `sql.main`",
        ),
        (
            format!("[sql.main]\n{url}\nca = 'none.pem'"),
            "none.pem: cannot read certificates",
        ),
        (
            format!("[sql.'a b']\n{url}"),
            "a name takes 1 to 128 letters",
        ),
    ] {
        refused(&site, &text, &[said]).await;
    }
    // The number that was taken for a password is one, too.
    site.write("lovage.toml", format!("[sql.main]\n{url}\npassword = 4711"));
    let ran = site.lovage(&["worker"]).await;
    assert!(!ran.err.contains("4711"), "{ran:?}");
    // A variable for no connection.
    site.write("lovage.toml", format!("[sql.main]\n{url}"));
    let mut command = site.command(["worker"]);
    command.env("LOVAGE_SQL__MIAN__PASSWORD", PASSWORD);
    let ran = Ran::of(command, b"").await;
    let ran = ran.fails(2, &["LOVAGE_SQL__MIAN__PASSWORD: there is no `[sql.NAME]`"]);
    assert!(!format!("{ran:?}").contains(PASSWORD), "{ran:?}");
}
