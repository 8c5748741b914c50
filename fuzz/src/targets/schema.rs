//! A module's schema, and arguments that are checked by it. An input is both, in JSON,
//! with a line between them.

use std::time::{Duration, Instant};

use lovage_queue::arguments::Arguments;
use lovage_queue::client::schema::{Bounds, compile, misfits};
use serde_json::Value;

use super::Target;

/// How long a check may take in a build that is not optimised.
const LONG: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(crate) struct Schemas {
    schemas: u64,
    checks: u64,
    misfits: u64,
}

impl Target for Schemas {
    fn run(&mut self, input: &[u8]) {
        // MessagePack too, which is what arguments are on the wire.
        if let Ok(arguments) = Arguments::decode(input) {
            // By their bytes, since not every number is equal to itself.
            let bytes = arguments.encode();
            let again = Arguments::decode(&bytes).map(Arguments::encode);
            assert_eq!(again.ok(), Some(bytes));
        }
        let line = input
            .iter()
            .position(|it| *it == b'\n')
            .unwrap_or(input.len());
        let (schema, arguments) = input.split_at(line);
        let Ok(schema) = serde_json::from_slice::<Value>(schema) else {
            return;
        };
        let since = Instant::now();
        if Bounds::of(&schema).is_ok() && compile(&schema).is_ok() {
            self.schemas += 1;
            let read = serde_json::from_slice(arguments).map(Arguments::from_json);
            if let Ok(Ok(mut arguments)) = read {
                self.checks += 1;
                self.misfits += u64::from(!misfits(&schema, &mut arguments).is_empty());
            }
        }
        assert!(since.elapsed() < LONG, "it took {:?}", since.elapsed());
    }

    fn told(&self) -> String {
        format!(
            "{} were schemas, {} arguments were checked, {} did not fit",
            self.schemas, self.checks, self.misfits
        )
    }
}
