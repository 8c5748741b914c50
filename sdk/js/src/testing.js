// What a worker would do, for tests that run in Node: the job that a task under test runs as. Outside of one, a task
// runs as a first attempt of five.

import { AsyncLocalStorage } from "node:async_hooks";
import { CallError, milliseconds } from "./failure.js";
import { decode, encode } from "./msgpack.js";
import { bytesOf } from "./values.js";

const running = new AsyncLocalStorage();

/** The digest that the module under test has. */
export const DIGEST = "0".repeat(64);

const JOB = {
  id: "01890a5d-ac96-774b-bcce-b302099a8057",
  tenant: "default",
  module: "module",
  task: "task",
  queue: "default",
  digest: DIGEST,
  attempt: 1,
  maxAttempts: 5,
  enqueuedAt: new Date(0),
  headers: {},
};

const OPTIONS = ["batch", "remaining", "cancelled", "checkpoint", "config", "buckets", "sql", ...Object.keys(JOB)];

/** A job under test. What the task tells the queue is kept here, in order. */
export class TestJob {
  #facts;
  #saved;
  #buckets = new Map();
  progress = [];
  jobs = [];
  flows = [];
  statements = [];
  open = undefined;

  constructor(options = {}) {
    const unknown = Object.keys(options).find((option) => !OPTIONS.includes(option));
    if (unknown) throw new TypeError(`no option \`${unknown}\` of a test job: the options are ${OPTIONS.join(", ")}`);
    const { batch = 0, remaining = "60s", cancelled = false, checkpoint, config = {}, buckets = {}, sql, ...job } = options;
    this.#facts = { batch, remaining: Number(milliseconds(remaining)), cancelled, config, sql, job: { ...JOB, ...job } };
    for (const [name, pairs] of Object.entries(buckets)) {
      for (const [key, value] of Object.entries(pairs)) this.bucket(name).set(key, bytesOf(value));
    }
    if (checkpoint !== undefined) this.#saved = { digest: DIGEST, state: encode(checkpoint) };
  }

  /** Runs something as this job, and answers with what it returns. */
  run(body) {
    return running.run(this, body);
  }

  /** What a bucket holds. */
  bucket(name) {
    if (!this.#buckets.has(name)) this.#buckets.set(name, new Map());
    return this.#buckets.get(name);
  }

  /** The job's next attempt, which has the state that this one saved, and the same buckets. */
  next() {
    const { job, ...facts } = this.#facts;
    const next = new TestJob({ ...facts, ...job, attempt: job.attempt + 1 });
    next.#saved = this.#saved;
    next.#buckets = this.#buckets;
    return next;
  }

  /** The newest state that was saved. */
  get checkpoint() {
    return this.#saved && decode(this.#saved.state);
  }

  get facts() {
    return this.#facts;
  }

  get saved() {
    return this.#saved;
  }

  save(state) {
    this.#saved = { digest: DIGEST, state };
  }
}

/** Where no job was made, each question has one of its own: nothing is kept of it. */
export const job = () => running.getStore() ?? new TestJob();

/** A child as a test wants to see it: with its arguments decoded. */
function child({ input, delayMs, headers, ...rest }) {
  const said = { ...rest, args: decode(input), headers: Object.fromEntries(headers) };
  if (delayMs !== undefined) said.delay = Number(delayMs);
  return said;
}

// The worker's side of `#host` and `#config`.

export const current = () => job().facts.job;

export function batch() {
  const { batch, job: one } = job().facts;
  return Array.from({ length: batch || 1 }, () => one);
}

export const remaining = () => job().facts.remaining;

export function cancelled() {
  const { cancelled } = job().facts;
  return typeof cancelled === "function" ? cancelled() : cancelled;
}

export function progress(share, message) {
  if (share !== undefined && !(share >= 0 && share <= 1)) throw new CallError("invalid", `invalid: a share of ${share} is not from 0 to 1`);
  job().progress.push({ share, message });
}

export const checkpoint = (state) => job().save(state);
export const restore = () => job().saved;

export function enqueue(all) {
  const made = job().jobs;
  const first = made.length;
  made.push(...all.map(child));
  return all.map((_, index) => `child-${first + index + 1}`);
}

export function enqueueFlow({ flow, ...rest }) {
  const { flows } = job();
  flows.push({ ...rest, flow: JSON.parse(flow) });
  return `flow-${flows.length}`;
}

export function enqueuePage({ jobs, cursor, open }) {
  const one = job();
  enqueue(jobs);
  one.save(cursor);
  one.open = open;
}

export function get(key) {
  const { config } = job().facts;
  return Object.hasOwn(config, key) ? config[key] : undefined;
}
