//! `lovage audit`.

use serde_json::json;

use crate::support::site_test;

site_test!(
    what_was_done_at_the_broker_is_on_the_log,
    |site| async move {
        assert_eq!(
            site.lovage(&["audit", "--json"]).await.ok().json(),
            json!([])
        );
        site.lovage(&["pause", "queue:mail"]).await.ok();
        site.lovage(&["resume", "queue:mail"]).await.ok();
        let acts = site.lovage(&["audit", "--json"]).await.ok().json();
        let line = |n: usize| json!([acts[n]["action"], acts[n]["subject"]]);
        assert_eq!(line(0), json!(["scope.resume", "queue:mail"]));
        assert_eq!(line(1), json!(["scope.pause", "queue:mail"]));
        assert!(
            acts[0]["by"].as_str().unwrap().starts_with("user "),
            "{acts}"
        );
        let shown = site.lovage(&["audit", "-n", "1"]).await.ok().out;
        assert!(
            shown.contains("scope.resume") && !shown.contains("scope.pause"),
            "{shown}"
        );
        let lately = site
            .lovage(&["audit", "--since", "1h", "--all", "--json"])
            .await;
        assert_eq!(lately.ok().json(), acts);
        site.lovage(&["audit", "--since", "soon"])
            .await
            .fails(2, &["no span of time"]);
        // What is done to tenants is on the operator's own.
        site.lovage(&["tenant", "create", "acme"]).await.ok();
        let acts = site
            .lovage(&["audit", "-n", "1", "--json"])
            .await
            .ok()
            .json();
        assert_eq!(
            json!([acts[0]["action"], acts[0]["subject"]]),
            json!(["tenant.create", "acme"])
        );
        // Another tenant's log is another's.
        let other = site.lovage(&["audit", "--tenant", "other", "--json"]).await;
        assert_eq!(other.ok().json(), json!([]));
    }
);
