use super::*;
use lovage::testing::{Context, call, tasks, wants};

#[test]
fn each_user_has_a_budget_of_their_own() {
    let budget = |user: &str| allowed(user.into(), 2, None).unwrap();
    let (answers, record) = Context::new()
        .run(|| [budget("ann"), budget("ann"), budget("ann"), budget("bob")].map(|it| it.allowed));
    assert_eq!(answers, [true, true, false, true]);
    assert_eq!(record.bucket("rates")["ann/0"], b"3");
    assert_eq!(record.bucket("rates")["bob/0"], b"1");
}

#[test]
fn what_is_known_is_not_worked_out_again() {
    let (answers, _) = Context::new().run(|| [primes(100).unwrap(), primes(100).unwrap()]);
    let [first, second] = answers.map(|it| (it.count, it.known));
    assert_eq!((first, second), ((25, false), (25, true)));
    // What is no count is worked out.
    let damaged = Context::new().bucket("primes", [("100", "x")]);
    let (again, _) = damaged.run(|| primes(100));
    assert_eq!(again.unwrap().count, 25);
}

#[test]
fn a_lock_is_its_owners_to_pass() {
    let pass = |from: Option<&str>, to: &str| {
        handover("door".into(), from.map(Into::into), to.into()).unwrap()
    };
    let (passed, _) = Context::new().run(|| {
        [
            pass(None, "ann"),
            pass(None, "bob"),
            pass(Some("bob"), "cyd"),
            pass(Some("ann"), "bob"),
        ]
    });
    assert_eq!(passed, [true, false, false, true]);
}

#[test]
fn a_user_is_forgotten_and_no_other() {
    let pairs = (0..30).map(|n| (format!("ann/{n}"), "1"));
    let context = Context::new().bucket("rates", pairs);
    let context = context.bucket("rates", [("anna/1", "1")]);
    let (gone, record) = context.run(|| forget("ann".into()).unwrap());
    assert_eq!(gone, 30);
    assert_eq!(record.bucket("rates").len(), 1);
}

#[test]
fn the_module_says_what_it_wants() {
    let mut wanted = wants();
    wanted.sort_unstable();
    assert_eq!(wanted, ["bucket primes", "bucket rates"]);
    let names: Vec<_> = tasks().iter().map(|task| task.name).collect();
    assert!(
        names.contains(&"allowed") && names.contains(&"handover"),
        "{names:?}"
    );
    #[lovage::data]
    struct Arguments {
        below: u32,
    }
    let answer: Primes = call("primes", &Arguments { below: 10 }).unwrap();
    assert_eq!(answer.count, 4);
}
