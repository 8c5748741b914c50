//! What people and programs write: names, scopes, grants, spans, moments, schedule lines,
//! flows.
//! What is read is written, and read again as the same.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use lovage::units::{read_until, read_when};
use lovage_queue::broker::Place;
use lovage_queue::clock::Millis;
use lovage_queue::flow::{self, Flow};
use lovage_queue::grant::Grant;
use lovage_queue::job::JobId;
use lovage_queue::limits::Scope;
use lovage_queue::registry::Digest;
use lovage_queue::schedule::{CatchUp, Overlap, TaskSchedule, Trigger};
use lovage_queue::task::{TaskName, check_lane, check_name};
use lovage_queue::units::{Size, Span};

use super::Target;

const NOW: Millis = Millis(1_700_000_000_000);
/// Calls that a flow may have here.
const CALLS: usize = 1_000;

#[derive(Default)]
pub(crate) struct Words {
    read: u64,
    flows: u64,
    lines: u64,
}

impl Words {
    /// What is read as something is written as something that is read as the same.
    fn both_ways<T: FromStr + Display + PartialEq + Debug>(&mut self, text: &str) {
        if let Ok(it) = text.parse::<T>() {
            self.read += 1;
            let again = it.to_string().parse::<T>().ok();
            assert_eq!(again.as_ref(), Some(&it), "{text:?} was read as `{it}`");
        }
    }

    fn line(&mut self, text: &str) {
        let (line, zone) = text.split_once('\n').unwrap_or((text, "UTC"));
        let schedule = TaskSchedule {
            trigger: Trigger::Cron {
                line: line.into(),
                zone: zone.into(),
            },
            jitter: std::time::Duration::ZERO,
            catch_up: CatchUp::None,
            overlap: Overlap::Allow,
        };
        self.lines += u64::from(schedule.check(NOW).is_ok());
    }
}

impl Target for Words {
    fn run(&mut self, input: &[u8]) {
        let text = String::from_utf8_lossy(input);
        self.both_ways::<TaskName>(&text);
        self.both_ways::<JobId>(&text);
        self.both_ways::<Scope>(&text);
        self.both_ways::<Digest>(&text);
        self.both_ways::<Grant>(&text);
        // These two are written for people, who want no more than four digits.
        let (_, _) = (text.parse::<Span>(), text.parse::<Size>());
        let _ = text.parse::<Place>();
        let (_, _) = (read_when(&text), read_until(&text));
        if let Err(e) = check_name(&text, "queue") {
            assert!(e.to_string().len() < 1_000, "{e}");
        }
        let _ = check_lane(&text);
        self.line(&text);
        if let Ok(json) = flow::read_json(&text) {
            self.flows += u64::from(Flow::from_json_within(json, "flow", CALLS).is_ok());
        }
    }

    fn told(&self) -> String {
        format!(
            "{} words were read and written, {} flows and {} lines were sound",
            self.read, self.flows, self.lines
        )
    }
}
