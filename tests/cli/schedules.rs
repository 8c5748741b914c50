//! Schedules, as a user makes, looks at and holds them.

use serde_json::{Value, json};

use crate::fixtures::{ECHO, Guest};
use crate::support::site::Site;
use crate::support::{site_test, until};

/// Its task takes anything.
async fn push_app(site: &Site) {
    site.push("app", &Guest::new(ECHO).build()).await;
}

async fn add(site: &Site, args: &[&str]) -> String {
    let all = [&["schedules", "add"], args].concat();
    site.lovage(&all).await.ok().out
}

async fn list(site: &Site) -> Value {
    site.lovage(&["schedules", "--json"]).await.ok().json()
}

site_test!(
    a_schedule_is_added_listed_shown_held_and_removed,
    |site| async move {
        push_app(&site).await;
        assert_eq!(list(&site).await, json!([]));
        let cron = ["--cron", "0 9 * * MON-FRI", "--tz", "Europe/Berlin"];
        let said = add(
            &site,
            &[&["report", "app.go", "to=ann"], &cron[..]].concat(),
        )
        .await;
        let when = "cron \"0 9 * * MON-FRI\" Europe/Berlin";
        assert!(
            said.starts_with(&format!("`report`: {when}; next at 2")),
            "{said}"
        );
        add(&site, &["sweep", "app.go", "--every", "5m", "--jitter=10s"]).await;

        let all = list(&site).await;
        assert_eq!(
            (&all[0]["name"], &all[1]["name"]),
            (&json!("report"), &json!("sweep"))
        );
        let report = &all[0];
        assert_eq!(report["when"], json!(when));
        assert_eq!(report["input"], json!({"to": "ann"}));
        assert_eq!(
            (&report["owner"], &report["paused"]),
            (&json!("operator"), &json!(false))
        );
        assert_eq!(
            (&report["overlap"], &report["catch_up"]),
            (&json!("allow"), &json!("last"))
        );
        assert_eq!(all[1]["jitter"], json!("10s"));
        let table = site.lovage(&["schedules"]).await.ok().out;
        assert!(
            table.starts_with(" NAME") && table.contains("every 5m"),
            "{table}"
        );
        assert_eq!(site.lovage(&["schedules", "list"]).await.ok().out, table);

        let next = site
            .lovage(&["schedules", "next", "4", "--json"])
            .await
            .ok()
            .json();
        let next = next.as_array().unwrap();
        assert_eq!(next.len(), 4, "{next:?}");
        assert!(next.is_sorted_by_key(|it| it["at"].as_str().unwrap().to_owned()));
        let of_one = site
            .lovage(&["schedules", "next", "3", "report"])
            .await
            .ok()
            .out;
        assert_eq!(of_one.matches("report").count(), 3, "{of_one}");

        let said = site.lovage(&["schedules", "pause", "sweep"]).await.ok().out;
        assert!(said.contains("is paused"), "{said}");
        let shown = site.lovage(&["schedules", "show", "sweep"]).await.ok().out;
        assert!(shown.contains("paused    yes"), "{shown}");
        let none = site
            .lovage(&["schedules", "next", "3", "sweep", "--json"])
            .await;
        assert_eq!(none.ok().json(), json!([]));
        let said = site
            .lovage(&["schedules", "resume", "sweep"])
            .await
            .ok()
            .out;
        assert!(said.contains("next at"), "{said}");

        // The same name says something else, and keeps its past.
        let id = site.lovage(&["schedules", "run", "sweep"]).await.ok().out;
        let said = add(
            &site,
            &["sweep", "app.go", "--every", "1h", "--overlap=skip"],
        )
        .await;
        assert!(said.contains("every 1h"), "{said}");
        let shown = site
            .lovage(&["schedules", "show", "sweep", "--json"])
            .await
            .ok()
            .json();
        assert_eq!(shown["fires"][0]["job"], json!(id.trim()));
        assert_eq!(shown["fires"][0]["by_hand"], json!(true));
        assert_eq!(
            (&shown["overlap"], &shown["fired"]),
            (&json!("skip"), &json!(1))
        );
        let skipped = site.lovage(&["schedules", "run", "sweep"]).await.ok().out;
        assert!(skipped.contains("skipped"), "{skipped}");
        let job = site.lovage(&["job", id.trim(), "--json"]).await.ok().json();
        assert_eq!(job["options"]["headers"]["schedule"], json!("sweep"));

        site.lovage(&["schedules", "remove", "sweep"]).await.ok();
        assert_eq!(list(&site).await.as_array().unwrap().len(), 1);
    }
);

site_test!(
    every_way_to_say_when_reads_back_in_words,
    |site| async move {
        push_app(&site).await;
        let soon = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 86_400);
        let at = soon.unwrap().to_string();
        let cases: [(&[&str], &str); 7] = [
            (&["--every=90s"], "every 1m30s"),
            (&["--cron=@daily"], "cron \"@daily\" UTC"),
            (&[&format!("--at={at}")], &format!("at {at}")),
            (&["--sun=sunset@52.52,13.40"], "sunset at 52.52, 13.4"),
            (
                &["--every=1h", "--only=* * * * MON-FRI"],
                "every 1h, where cron \"* * * * MON-FRI\" UTC",
            ),
            (
                &["--cron=0 7 * * *", "--once-completed=app.go"],
                "cron \"0 7 * * *\" UTC, where app.go",
            ),
            (
                &["--when={\"any\":[{\"every\":\"1h\"},{\"cron\":\"@weekly\"}]}"],
                "every 1h or cron \"@weekly\" UTC",
            ),
        ];
        for (flags, words) in cases {
            let said = add(&site, &[&["s", "app.go"], flags].concat()).await;
            assert!(said.starts_with(&format!("`s`: {words}")), "{said}");
        }
    }
);

site_test!(what_makes_no_sense_is_refused, |site| async move {
    push_app(&site).await;
    let cases: [(&[&str], i32, &[&str]); 18] = [
        (&["s", "app.go"], 2, &["say when by one of"]),
        (
            &["s", "app.go", "--every=5m", "--cron=@daily"],
            2,
            &["cannot be used with"],
        ),
        (
            &["s", "app.go", "--every=10ms"],
            2,
            &["every", "at least 1s"],
        ),
        (&["s", "app.go", "--every=soon"], 2, &["`soon`"]),
        (&["s", "app.go", "--cron=0 9"], 2, &["cron: `0 9`"]),
        (&["s", "app.go", "--cron=0 0 30 2 *"], 2, &["never fires"]),
        (
            &["s", "app.go", "--cron=@daily", "--tz=Mars/Base"],
            2,
            &["`Mars/Base`"],
        ),
        (
            &["s", "app.go", "--at=2001-01-01T00:00:00Z"],
            2,
            &["never fires"],
        ),
        (&["s", "app.go", "--at=soon"], 2, &["`soon` is no time"]),
        (&["s", "app.go", "--sun=sunset"], 2, &["sunset@52.52,13.40"]),
        (&["s", "app.go", "--sun=moonrise@1,2"], 2, &["moonrise"]),
        (
            &["s", "app.go", "--every=5m", "--only=x"],
            2,
            &["all[1].cron"],
        ),
        (
            &["s", "app.go", "--every=5m", "--catch-up=some"],
            2,
            &["`some`"],
        ),
        (&["S!", "app.go", "--every=5m"], 2, &["`S!`"]),
        (&["app.go", "app.go", "--every=5m"], 2, &["only modules"]),
        (
            &["s", "app.go", "--every=5m", "--tz=UTC"],
            2,
            &["`tz` says nothing"],
        ),
        (&["s", "none.go", "--every=5m"], 4, &["no module `none`"]),
        (&["s", "app.none", "--every=5m"], 4, &["no task `none`"]),
    ];
    for (args, code, said) in cases {
        let all = [&["schedules", "add"], args].concat();
        site.lovage(&all).await.fails(code, said);
    }
    assert_eq!(list(&site).await, json!([]), "nothing of it was kept");
    for command in ["show", "pause", "resume", "run", "remove", "next"] {
        let args: &[&str] = match command {
            "next" => &["schedules", "next", "3", "none"],
            other => &["schedules", other, "none"],
        };
        let ran = site.lovage(args).await;
        ran.fails(4, &["there is no schedule `none`", "hint: "]);
    }
});

site_test!(
    an_input_that_breaks_the_schema_is_refused_at_once,
    |site| async move {
        let schema = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#;
        site.push("app", &Guest::new(ECHO).tasks(&[("go", schema)]).build())
            .await;
        let bare = ["schedules", "add", "s", "app.go", "--every=5m"];
        site.lovage(&bare).await.fails(5, &["\"n\" is a required"]);
        add(&site, &["s", "app.go", "n=3", "--every=5m"]).await;
        assert_eq!(list(&site).await[0]["input"], json!({"n": 3}));
    }
);

site_test!(a_worker_declares_what_its_file_says, |site| async move {
    push_app(&site).await;
    add(&site, &["own", "app.go", "--every=1h"]).await;
    let file = "
            [schedules.a]
            task = 'app.go'
            when = { cron = '0 3 * * *', tz = 'America/New_York' }
            input = { side = 7 }
            overlap = 'skip'
            catch_up = 3
            [schedules.b]
            task = 'later.go'
            when = { every = '1h', once_completed = ['app.go'] }
        ";
    site.write("lovage.toml", file);
    let worker = site.worker(&[]).await;
    let all = list(&site).await;
    let names: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["a", "b", "own"]);
    assert_eq!(
        (&all[0]["owner"], &all[0]["catch_up"]),
        (&json!("config"), &json!(3))
    );
    assert_eq!(all[0]["input"], json!({"side": 7}));
    let taken = ["schedules", "add", "a", "app.go", "--every=1h"];
    site.lovage(&taken).await.fails(2, &["`a`", "config"]);
    drop(worker);

    site.write("lovage.toml", "[schedules]\n");
    let worker = site.worker(&[]).await;
    assert_eq!(list(&site).await.as_array().unwrap().len(), 1);
    drop(worker);
    for (text, said) in [
        ("[schedules.a]\ntask = 'app.go'\n", "`schedules.a`"),
        (
            "[schedules.a]\ntask = 'app'\nwhen = { every = '1h' }\n",
            "`task`",
        ),
        (
            "[schedules.a]\ntask = 'app.go'\nwhen = { cron = 'x' }\n",
            "cron: `x`",
        ),
        (
            "[schedules.a]\ntask = 'app.go'\nwen = { every = '1h' }\n",
            "lovage.toml:3: `schedules.a.wen`",
        ),
    ] {
        site.write("lovage.toml", text);
        site.lovage(&["queues"]).await.fails(2, &[said]);
    }
});

site_test!(
    a_condition_waits_for_a_completion_of_the_day,
    |site| async move {
        push_app(&site).await;
        let flags = ["--every=1s", "--once-completed=app.go", "--catch-up=none"];
        add(&site, &[&["s", "app.go"], &flags[..]].concat()).await;
        let _worker = site.worker(&[]).await;
        let waits = async || {
            let all = list(&site).await;
            (!all[0]["waiting"].is_null()).then_some(all)
        };
        let all = until("it waits", waits).await;
        assert_eq!(all[0]["fired"], json!(0));
        site.lovage(&["call", "app.go", "--wait"]).await.ok();
        until("it fires", || async {
            (list(&site).await[0]["fired"] != json!(0)).then_some(())
        })
        .await;
    }
);
