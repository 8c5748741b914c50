//! Chaos: whatever dies, freezes, stalls or fills up, nothing accepted is lost
//! and nothing is recorded twice. Real servers, real worker processes, and a
//! count of every job by its id at the end.
//!
//! # Layout
//! - `plan`: how much of it, and the seed of all random choices
//! - `workload`: jobs with known ids, of a module that counts its own runs
//! - `stage`: a broker, its workers and a producer, from the first job to the
//!   audit
//! - `audit`: what each job's record says, against what was planned for it
//! - `report`: a line for each case, and the table of all
//! - `proxy`, `commands`: a network of a test's own, which cuts, stalls and
//!   swallows answers
//! - the cases: `workers` (killed, frozen), `clocks`, `redis` (killed, meddled
//!   with, out of memory), `network`, `sqlite` (a full disk), `versions` (records
//!   of several), `schedules`, `flows`, `sources`
//!
//! `scripts/chaos` runs it for as long as one likes.

mod audit;
mod clocks;
mod commands;
mod flows;
mod network;
mod plan;
mod proxy;
mod redis;
mod report;
mod schedules;
mod sources;
mod sqlite;
mod stage;
mod versions;
mod workers;
mod workload;
