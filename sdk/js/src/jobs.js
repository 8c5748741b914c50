// Further jobs, flows of them, and pages of a source.

import * as host from "#host";
import { context, encoded } from "./context.js";
import { CallError, milliseconds } from "./failure.js";

const OPTIONS = ["key", "queue", "lane", "priority", "delay", "maxAttempts", "headers", "atOnce"];

/** Enqueues one job, and answers with its id. */
export function enqueue(task, args, options) {
  return enqueueAll([{ task, args, ...options }])[0];
}

/** Enqueues all of them or none, and answers with their ids in order. */
export function enqueueAll(jobs) {
  return host.enqueue(jobs.map(newJob));
}

/** Makes a flow, in the form that `lovage flow run` reads, and answers with its id. */
export function enqueueFlow(flow, { key, atOnce = false } = {}) {
  return host.enqueueFlow({ flow: JSON.stringify(flow), key, atOnce });
}

/**
 * Makes the running job a source of others: `page` is asked for one page a run, with where the one before said that it goes
 * on, until it says no more.
 */
export async function source(open, page) {
  const cursor = context.restore()?.state;
  const { jobs, next } = await page(cursor);
  if (next === undefined || next === null) {
    enqueueAll(jobs);
    return;
  }
  host.enqueuePage({ jobs: jobs.map(newJob), cursor: encoded("the cursor", next), open });
}

function newJob({ task, args = {}, ...options }) {
  const unknown = Object.keys(options).find((option) => !OPTIONS.includes(option));
  if (unknown) throw new CallError("invalid", `no option \`${unknown}\` of a job: the options are ${OPTIONS.join(", ")}`);
  const { key, queue, lane, priority, delay, maxAttempts, headers = {}, atOnce = false } = options;
  return {
    task,
    input: encoded(`the arguments of \`${task}\``, args),
    key,
    queue,
    lane,
    priority,
    delayMs: delay === undefined ? undefined : milliseconds(delay),
    maxAttempts,
    headers: Object.entries(headers),
    atOnce,
  };
}
