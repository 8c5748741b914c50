/** What goes wrong beside the server's problems: no answer, no end in time, no result. */
import { LovageError } from "./problems.js";
import type { Failure, FlowRecord, JobRecord } from "./records.js";

/** No answer came, or only a part of one. Whether the server did it is not known. */
export class NoAnswer extends LovageError {
  override name = "NoAnswer";
  /** Of a request that makes jobs: sent again with it, it makes no second ones. */
  readonly key: string | undefined;

  constructor(message: string, options: { cause?: unknown; key?: string | undefined } = {}) {
    super(message, { cause: options.cause });
    this.key = options.key;
  }
}

/** The time was up before the end. What was waited for goes on. */
export class WaitTimeout extends LovageError {
  override name = "WaitTimeout";
  /** The job or flow that goes on. */
  readonly id: string;

  constructor(what: string, id: string, within: number, cause?: unknown) {
    super(`${what} ${id} has not ended within ${within / 1000} s; it goes on`, { cause });
    this.id = id;
  }
}

/** The job was given up: its last attempt failed. */
export class JobFailed extends LovageError {
  override name = "JobFailed";
  readonly #job: JobRecord;
  /** What its last attempt said, if it came to one. */
  readonly failure: Failure | undefined;

  constructor(job: JobRecord) {
    const failure = lastFailure(job);
    const why = failure ? `${failure.kind}: ${failure.message}` : "no attempt was made";
    super(`job ${job.id} of \`${job.task}\` failed: ${why}`);
    this.#job = job;
    this.failure = failure;
  }

  /** Not an own property: whoever prints the error prints no arguments of the caller's. */
  get job(): JobRecord {
    return this.#job;
  }

  /** `error`, `deadline`, `out-of-fuel`, …, or a kind of the task's own. */
  get kind(): string | undefined {
    return this.failure?.kind;
  }

  /** What the task said beside its message: often its traceback. */
  get detail(): string | null {
    return this.failure?.detail ?? null;
  }
}

/** The job was cancelled, or expired before it began. */
export class JobCancelled extends LovageError {
  override name = "JobCancelled";
  readonly #job: JobRecord;

  constructor(job: JobRecord) {
    super(`job ${job.id} of \`${job.task}\` was cancelled`);
    this.#job = job;
  }

  get job(): JobRecord {
    return this.#job;
  }
}

/** The flow failed or was cancelled. */
export class FlowFailed extends LovageError {
  override name = "FlowFailed";
  readonly #flow: FlowRecord;

  constructor(flow: FlowRecord) {
    const how = flow.state === "cancelled" ? "was cancelled" : "failed";
    super(`flow ${flow.id} (${flow.name}) ${how}: ${flow.failed} of ${flow.nodes} calls failed`);
    this.#flow = flow;
  }

  get flow(): FlowRecord {
    return this.#flow;
  }
}

/** Some of many calls became jobs before a later request failed. */
export class PartlyEnqueued extends LovageError {
  override name = "PartlyEnqueued";
  /** The ids of the first calls' jobs, in their order. */
  readonly ids: string[];
  /** The same calls with this key make no second jobs of those. */
  readonly key: string;

  constructor(ids: string[], of: number, key: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`the first ${ids.length} of ${of} calls are jobs, and the next request failed: ${why}`, {
      cause,
    });
    this.ids = ids;
    this.key = key;
  }
}

function lastFailure(job: JobRecord): Failure | undefined {
  return job.attempts.at(-1)?.failure ?? undefined;
}
