/**
 * A client of Lovage: enqueue jobs, wait for their results, follow what happens.
 *
 * Layout, from the outside in:
 * - `connect`, `client`, `task`: modules and tasks as functions, and all else one asks a server
 * - `job`, `flow`, `wait`, `events`, `sse`: what was begun, its end, and what happens meanwhile
 * - `options`, `records`: what goes in, and what comes out
 * - `transport`, `exchange`: requests that are repeated, and one request
 * - `problems`, `failures`: what goes wrong
 * - `codec`, `settings`, `spans`
 */
export { connect, type Connected } from "./connect.js";
export { Client, type JobFilter, type ManyOptions } from "./client.js";
export { Job, type JobProgress } from "./job.js";
export { Flow, type FlowCall, type FlowStep, type NewFlow } from "./flow.js";
export type { EventOptions, LovageEvent } from "./events.js";
export type { Backoff, Call, CallOptions, Unique } from "./options.js";
export type { RequestOptions, Settings } from "./settings.js";
export type { AnyModules, CallParameters, Task, TaskName, TaskOf, TaskOptions } from "./task.js";
export type * from "./records.js";
export {
  LovageError,
  Problem,
  BadRequest,
  Unauthorized,
  Forbidden,
  NotFound,
  Conflict,
  Duplicate,
  NotFinished,
  TooLarge,
  InvalidArguments,
  Invalid,
  Refused,
  NoResult,
  QueueFull,
  Quota,
  Suspended,
  RateLimited,
  RequestTimeout,
  Unavailable,
  Internal,
  type Misplaced,
} from "./problems.js";
export * from "./failures.js";
