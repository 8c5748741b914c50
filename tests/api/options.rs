//! What is wrong with a call's options.

use serde_json::json;

use super::door::Door;
use super::enqueue::{call, count};
use super::visitor::pointers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_an_option_is_told_with_its_place() {
    let door = Door::with_app().await;
    for (option, wrong, pointer, said) in [
        ("memory", json!("64MB"), "/memory", "a whole number"),
        ("retries", json!(-1), "/retries", "a whole number"),
        ("tags", json!("a"), "/tags", "expected a sequence"),
        (
            "headers",
            json!({"a/b": 1}),
            "/headers/a~1b",
            "expected a string",
        ),
    ] {
        let mut wrongly = call(1);
        wrongly[option] = wrong;
        let packed = rmp_serde::to_vec_named(&wrongly).unwrap();
        let one = [
            door.post("/v1/jobs", wrongly.clone()).await,
            door.send("POST", "/v1/jobs", "application/msgpack", packed)
                .await,
        ];
        for answer in one {
            let problem = answer.problem(400, "bad-request");
            assert_eq!(pointers(&problem), [pointer]);
            let detail = problem["detail"].as_str().unwrap();
            assert!(
                detail.contains(said) && detail.contains(pointer),
                "{detail}"
            );
        }
        let many = json!({"jobs": [call(1), wrongly]});
        let problem = door.post("/v1/jobs/batch", many).await;
        let problem = problem.problem(400, "bad-request");
        assert_eq!(pointers(&problem), [format!("/jobs/1{pointer}")]);
    }
    let long = json!({"task": "app.go", "headers": {"n".repeat(5_000): 1}});
    let problem = door.post("/v1/jobs", long).await;
    assert!(problem.problem(400, "bad-request").to_string().len() < 2_500);
    assert_eq!(count(&door).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_never_run_is_refused() {
    let door = Door::with_app().await;
    for (option, zero) in [
        ("timeout", json!("0s")),
        ("fuel", json!(0)),
        ("memory", json!(0)),
    ] {
        let mut never = call(1);
        never[option] = zero;
        let problem = door.post("/v1/jobs", never.clone()).await;
        let problem = problem.problem(422, "invalid");
        assert_eq!(pointers(&problem), [format!("/{option}")]);
        let flow = json!({"chain": [call(1), never]});
        let problem = door.post("/v1/flows", flow).await.problem(422, "invalid");
        assert!(problem.to_string().contains("is 0"), "{problem:#}");
    }
    assert_eq!(count(&door).await, 0);
}
