//! A schedule as a module's task declares it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CatchUp, Overlap, Schedule, ScheduleError, ScheduledCall, Trigger};
use crate::clock::Millis;

/// MessagePack of no arguments.
const NOTHING: u8 = 0x80;

/// That a task is called by itself, with no arguments, while its release is active.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSchedule {
    /// When it fires.
    pub trigger: Trigger,
    /// By how much the job of a fire may begin later.
    #[serde(default)]
    pub jitter: Duration,
    /// What is made up for after an outage.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// What becomes of a fire while an earlier one's job has not ended.
    #[serde(default)]
    pub overlap: Overlap,
}

impl TaskSchedule {
    /// The schedule of a task that is its `n`th, from 0.
    pub fn schedule(&self, module: &str, task: &str, n: usize) -> Schedule {
        let name = match n {
            0 => format!("{module}.{task}"),
            n => format!("{module}.{task}.{}", n + 1),
        };
        let call = ScheduledCall::new(module, task, vec![NOTHING]);
        Schedule {
            jitter: self.jitter,
            catch_up: self.catch_up,
            overlap: self.overlap,
            ..Schedule::new(&name, self.trigger.clone(), call)
        }
    }

    /// Whether it makes sense, whichever task it is of.
    ///
    /// # Errors
    /// As [`Schedule::check`].
    pub fn check(&self, now: Millis) -> Result<(), ScheduleError> {
        self.schedule("module", "task", 0).check(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tasks_schedules_are_named_like_it_and_have_no_arguments() {
        let daily = TaskSchedule {
            trigger: Trigger::Cron {
                line: "@daily".into(),
                zone: "UTC".into(),
            },
            jitter: Duration::from_secs(5),
            catch_up: CatchUp::All(2),
            overlap: Overlap::Skip,
        };
        let first = daily.schedule("reports", "build", 0);
        assert_eq!(
            (&*first.name, &first.call.input),
            ("reports.build", &vec![0x80])
        );
        assert_eq!(first.overlap, Overlap::Skip);
        assert_eq!(
            daily.schedule("reports", "build", 1).name,
            "reports.build.2"
        );
        assert_eq!(daily.check(Millis(1)), Ok(()));
        let never = TaskSchedule {
            trigger: Trigger::Cron {
                line: "0 0 30 2 *".into(),
                zone: "UTC".into(),
            },
            ..daily
        };
        assert!(matches!(
            never.check(Millis(1)),
            Err(ScheduleError::Never(_))
        ));
    }
}
