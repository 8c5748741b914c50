//! Values and secrets that modules read by name.

use std::sync::Arc;

use lovage::api::Settings;
use lovage::api::token::Role;
use lovage::vault::{Keyring, new_key};
use lovage_queue::broker::{BrokerError, Shelf};
use lovage_queue::client::Client;
use serde_json::json;

use super::door::{Door, settings};
use crate::support::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_are_set_listed_and_removed_by_administrators() {
    let door = Door::locked().await;
    let value = json!({"value": "mail.example.com"});
    door.put("/v1/config/smtp-host", value.clone())
        .await
        .is(204);
    let all = door.get("/v1/config").await.ok();
    assert_eq!(
        all,
        json!({"values": [{"key": "smtp-host", "value": "mail.example.com"}]})
    );
    let deployer = door.as_a(Role::Deployer).await;
    for path in ["/v1/config", "/v1/secrets"] {
        deployer.get(path).await.problem(403, "forbidden");
        let one = format!("{path}/smtp-host");
        deployer
            .put(&one, value.clone())
            .await
            .problem(403, "forbidden");
        deployer.delete(&one).await.problem(403, "forbidden");
        let wrong = format!("{path}/a%2Fb");
        door.put(&wrong, value.clone())
            .await
            .problem(400, "bad-request");
        let long = json!({"value": "x".repeat(8193)});
        door.put(&one, long).await.problem(422, "invalid");
    }
    door.delete("/v1/config/smtp-host").await.is(204);
    door.delete("/v1/config/smtp-host")
        .await
        .problem(404, "not-found");
    // This server has no key.
    door.put("/v1/secrets/pass", value)
        .await
        .problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_goes_in_and_never_comes_out() {
    let key = new_key().unwrap();
    let settings = Settings {
        authentication: true,
        vault: Some(Arc::new(Keyring::read(&key).unwrap())),
        ..settings()
    };
    let door = Door::on(Site::sqlite(), settings).await;
    let admin = door.as_a(Role::Admin).await;
    let path = "/v1/secrets/pass";
    let set = admin.put(path, json!({"value": "hunter2"})).await.is(204);
    assert_eq!(set.text(), "");
    let listed = admin.get("/v1/secrets").await.ok();
    assert_eq!(listed, json!({"secrets": ["pass"]}));
    admin.get(path).await.problem(405, "method-not-allowed");
    let own = door.site.client().await.broker();
    let sealed = own.entry("default", Shelf::Secrets, "pass").await;
    let sealed = sealed.unwrap().unwrap();
    let opened = Keyring::read(&key)
        .unwrap()
        .open("default", "pass", &sealed);
    assert_eq!(opened.unwrap(), "hunter2");

    // Nor as it lies in the broker.
    let host = admin.base.replace("http://", "");
    let token = admin.token.clone().unwrap();
    let remote = Client::connect(&format!("http://{token}@{host}")).await;
    let remote = remote.unwrap();
    let (broker, tenant) = (remote.broker(), remote.tenant());
    let shelf = Shelf::Secrets;
    let denied = |e: BrokerError| assert!(matches!(e, BrokerError::Denied(_)), "{e}");
    denied(broker.entry(tenant, shelf, "pass").await.unwrap_err());
    denied(broker.entries(tenant, shelf).await.unwrap_err());
    let put = broker.put_entry(tenant, shelf, "pass", &sealed).await;
    denied(put.unwrap_err());
    admin.delete(path).await.is(204);
    admin.delete(path).await.problem(404, "not-found");
}
