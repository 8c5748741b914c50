//! Calls of a batched task, in one run: decoded one by one, answered in their order. A call whose arguments do not fit
//! fails by itself and is kept from the task.

use crate::{Failure, arguments, host};
use serde::Deserialize;

/// The result of one call, encoded.
type Answer = Result<Vec<u8>, Failure>;

/// Calls `task` with what its `inputs` hold.
///
/// # Panics
///
/// When it returns another number of results than it was given calls.
pub fn run<'a, A: Deserialize<'a>, R>(
    name: &'static str,
    inputs: &[&'a [u8]],
    task: impl FnOnce(Vec<A>) -> Vec<R>,
    encode: impl Fn(R) -> Answer,
) -> Vec<Answer> {
    let mut calls = Vec::with_capacity(inputs.len());
    let mut refused: Vec<Option<Failure>> = Vec::with_capacity(inputs.len());
    for input in inputs {
        match arguments::whole(name, input) {
            Ok(call) => {
                calls.push(call);
                refused.push(None);
            }
            Err(failure) => refused.push(Some(failure)),
        }
    }
    let taken: Vec<bool> = refused.iter().map(Option::is_none).collect();
    host::retain_calls(&taken);
    let asked = calls.len();
    let results = match asked {
        0 => Vec::new(),
        _ => task(calls),
    };
    assert!(
        results.len() == asked,
        "`{name}` returned {} results for {asked} calls",
        results.len()
    );
    let mut results = results.into_iter();
    let answers = refused.into_iter().map(|refused| match refused {
        Some(failure) => Err(failure),
        None => encode(results.next().expect("one for each")),
    });
    answers.collect()
}

/// The answer to a call that is alone.
pub fn one(run: fn(&[&[u8]]) -> Vec<Answer>, input: &[u8]) -> Answer {
    run(&[input]).pop().expect("one for each")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context;
    use crate::testing::Context;
    use serde_json::json;

    #[derive(serde::Deserialize)]
    struct Half {
        of: u32,
    }

    fn halves(calls: Vec<Half>) -> Vec<Result<u32, Failure>> {
        let odd = |of: u32| Failure::new(format!("{of} is odd"));
        let half = |it: Half| match it.of % 2 {
            0 => Ok(it.of / 2),
            _ => Err(odd(it.of)),
        };
        calls.into_iter().map(half).collect()
    }

    fn encode(result: Result<u32, Failure>) -> Answer {
        result.map(|half| vec![half as u8])
    }

    fn inputs(of: &[serde_json::Value]) -> Vec<Vec<u8>> {
        of.iter()
            .map(|of| rmp_serde::to_vec_named(&json!({ "of": of })).unwrap())
            .collect()
    }

    #[test]
    fn each_call_has_an_answer_of_its_own() {
        let inputs = inputs(&[json!(4), json!("x"), json!(3), json!(8)]);
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let seen = |calls: Vec<Half>| {
            assert_eq!(context::batch().len(), calls.len());
            halves(calls)
        };
        let (answers, _) = Context::new()
            .batch(4)
            .run(|| run("halves", &inputs, seen, encode));
        assert_eq!(answers[0], Ok(vec![2]));
        let refused = answers[1].as_ref().unwrap_err();
        assert_eq!(
            (refused.kind.as_str(), refused.retry),
            ("argument", crate::Retry::Never)
        );
        assert_eq!(
            refused.message,
            "the arguments of `halves`: invalid type: string \"x\", expected u32"
        );
        assert_eq!(answers[2].as_ref().unwrap_err().message, "3 is odd");
        assert_eq!(answers[3], Ok(vec![4]));
    }

    #[test]
    fn a_task_hears_nothing_of_a_batch_in_which_no_call_fits() {
        let answers = run("halves", &[&[0x90]], |_: Vec<Half>| unreachable!(), encode);
        assert_eq!(
            answers[0].as_ref().unwrap_err().message,
            "the input of `halves` is no map of arguments"
        );
    }

    #[test]
    #[should_panic(expected = "`halves` returned 0 results for 1 calls")]
    fn another_number_of_results_is_a_panic() {
        let inputs = inputs(&[json!(4)]);
        run("halves", &[&inputs[0]], |_: Vec<Half>| Vec::new(), encode);
    }
}
