// Further jobs, flows of them, and pages of a source.

import * as host from "#host";
import { context, encoded } from "./context.js";
import { toBase64 } from "./base64.js";
import { CallError, milliseconds } from "./failure.js";
import { whole } from "./values.js";

const OPTIONS = ["key", "queue", "lane", "priority", "delay", "maxAttempts", "headers", "atOnce"];
/** How those are read that the border would cut to their size. */
const READ = { priority: whole(0, 9), delay: milliseconds, maxAttempts: whole(1, 2 ** 32 - 1) };

/** Enqueues one job, and answers with its id. */
export function enqueue(task, args, options) {
  return enqueueAll([{ ...options, task, args }])[0];
}

/** Enqueues all of them or none, and answers with their ids in order. */
export function enqueueAll(jobs) {
  return host.enqueue(jobs.map(newJob));
}

/** Makes a flow, in the form that `lovage flow run` reads, and answers with its id. */
export function enqueueFlow(flow, { key, atOnce = false } = {}) {
  return host.enqueueFlow({ flow: flowText(flow), key, atOnce });
}

/** In JSON bytes have the form that a schema has for them. */
function flowText(flow) {
  try {
    return JSON.stringify(flow, (_, value) => (value instanceof Uint8Array ? toBase64(value) : value));
  } catch (error) {
    throw new CallError("invalid", `the flow cannot be encoded: ${error.message}`);
  }
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
  const { key, queue, lane, headers = {}, atOnce = false } = options;
  const read = (option) => {
    try {
      return options[option] === undefined ? undefined : READ[option](options[option]);
    } catch (error) {
      throw new CallError("invalid", `option \`${option}\` of a job: ${error.message}`);
    }
  };
  return {
    task,
    input: encoded(`the arguments of \`${task}\``, args),
    key,
    queue,
    lane,
    priority: read("priority"),
    delayMs: read("delay"),
    maxAttempts: read("maxAttempts"),
    headers: Object.entries(headers),
    atOnce,
  };
}
