//! What people do to jobs, queues, lanes and tasks: cancel, requeue, delete,
//! limit and pause.

use redis::Cmd;

use super::connection::unexpected;
use super::{RedisBroker, scripts};
use crate::broker::{BrokerError, Cancelled, Requeued, Result, check_pause};
use crate::clock::millis;
use crate::job::{JobId, State};
use crate::limits::{Limit, Limited, Order, Scope};
use crate::task::Rate;

/// Jobs a call: a step stays short, however many are named.
const STEP: usize = 500;

impl RedisBroker {
    pub(super) async fn cancel_jobs(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Cancelled>> {
        let mut cancelled = Vec::with_capacity(ids.len());
        for some in ids.chunks(STEP) {
            let mut command = self.of_tenant(&scripts::CANCEL, tenant);
            for id in some {
                command.arg(&id.0);
            }
            let answer = self.bytes_of(&scripts::CANCEL, &command).await?;
            for letter in answer.unwrap_or_default() {
                cancelled.push(match letter {
                    b'c' => Cancelled::Now,
                    b'a' => Cancelled::Asked,
                    b'm' => Cancelled::Missing,
                    state => Cancelled::Ended(read_state(state)?),
                });
            }
        }
        Ok(cancelled)
    }

    pub(super) async fn requeue_jobs(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Requeued>> {
        let mut requeued = Vec::with_capacity(ids.len());
        for some in ids.chunks(STEP) {
            let mut command = self.of_tenant(&scripts::REQUEUE, tenant);
            for id in some {
                command.arg(&id.0);
            }
            let mut reply = self.list_of(&scripts::REQUEUE, &command).await?;
            let (letters, mut others) = (reply.bytes()?, reply.ids()?.into_iter());
            for letter in letters {
                requeued.push(match letter {
                    b'r' => Requeued::Now,
                    b'm' => Requeued::Missing,
                    b'u' => Requeued::Duplicate(reply.one_more(&mut others)?),
                    state => Requeued::Not(read_state(state)?),
                });
            }
        }
        Ok(requeued)
    }

    pub(super) async fn delete_jobs(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<bool>> {
        let mut deleted = Vec::with_capacity(ids.len());
        for some in ids.chunks(STEP) {
            let mut command = self.of_tenant(&scripts::DELETE, tenant);
            for id in some {
                command.arg(&id.0);
            }
            let answer = self.bytes_of(&scripts::DELETE, &command).await?;
            deleted.extend(answer.unwrap_or_default().iter().map(|it| *it == b'1'));
        }
        Ok(deleted)
    }

    pub(super) async fn set_limit(&self, tenant: &str, scope: &Scope, limit: &Limit) -> Result<()> {
        limit.check(scope).map_err(BrokerError::Invalid)?;
        let mut command = self.of_tenant(&scripts::LIMIT, tenant);
        command.arg(scope.to_string()).arg("limit");
        write_limit(&mut command, limit);
        self.number_of(&scripts::LIMIT, &command).await.map(drop)
    }

    pub(super) async fn set_pause(&self, tenant: &str, scope: &Scope, paused: bool) -> Result<()> {
        check_pause(scope)?;
        let mut command = self.of_tenant(&scripts::LIMIT, tenant);
        let word = if paused { "pause" } else { "resume" };
        command.arg(scope.to_string()).arg(word);
        self.number_of(&scripts::LIMIT, &command).await.map(drop)
    }

    pub(super) async fn read_limits(&self, tenant: &str) -> Result<Vec<Limited>> {
        let command = self.of_tenant(&scripts::LIMITS, tenant);
        let mut reply = self.list_of(&scripts::LIMITS, &command).await?;
        let mut limits = Vec::new();
        while !reply.is_empty() {
            let mut row = reply.list()?;
            let scope = row.text()?;
            let scope: Scope = scope
                .parse()
                .map_err(|_| unexpected("limits", &format!("the scope `{scope}`")))?;
            let (count, period) = (row.number()? as u32, row.number()?);
            let (concurrency, depth) = (row.number()? as u32, row.number()? as u32);
            let (strict, paused, declared) = (row.int()?, row.int()?, row.int()?);
            limits.push(Limited {
                scope,
                limit: Limit {
                    rate: (count > 0).then(|| Rate {
                        count,
                        period: std::time::Duration::from_millis(period),
                    }),
                    concurrency: (concurrency > 0).then_some(concurrency),
                    depth: (depth > 0).then(|| depth - 1),
                    order: if strict == 1 {
                        Order::Strict
                    } else {
                        Order::Aging
                    },
                },
                paused: paused == 1,
                declared: declared == 1,
                running: row.number()? as u32,
            });
        }
        limits.sort_by(|a, b| a.scope.cmp(&b.scope));
        Ok(limits)
    }
}

fn read_state(letter: u8) -> Result<State> {
    let code = letter.wrapping_sub(b'0');
    State::from_code(code).ok_or_else(|| unexpected("control", &format!("state {code}")))
}

/// A limit's arguments: starts, period in ms, concurrency, depth + 1, strict; 0
/// for what is not limited.
pub(super) fn write_limit(command: &mut Cmd, limit: &Limit) {
    command
        .arg(limit.rate.map_or(0, |rate| rate.count))
        .arg(limit.rate.map_or(0, |rate| millis(rate.period)))
        .arg(limit.concurrency.unwrap_or(0))
        .arg(limit.depth.map_or(0, |depth| u64::from(depth) + 1))
        .arg(u8::from(limit.order == Order::Strict));
}
