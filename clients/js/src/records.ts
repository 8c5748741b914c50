/** What the API answers, by the names that it has there. */

/** A whole number of 64 bits: a `bigint` where it is beyond what a `number` holds exactly. */
export type Int64 = number | bigint;

/** A span of time: milliseconds, or a text such as `500ms`, `30s`, `10m`, `2h` or `7d`. */
export type Span = number | string;

export type JobState =
  | "pending"
  | "scheduled"
  | "available"
  | "running"
  | "retryable"
  | "completed"
  | "discarded"
  | "cancelled";

/** Why an attempt did not complete. */
export interface Failure {
  /** `error`, `deadline`, `out-of-fuel`, `lost`, …, or a kind of the task's own. */
  kind: string;
  message: string;
  /** What the task said beside it: often its traceback. */
  detail: string | null;
}

/** How far a job is, as its task said it. */
export interface Progress {
  /** From 0 to 1, where it is known. */
  share: number | null;
  message: string | null;
}

export interface Attempt {
  ending: string;
  delivery: number;
  worker: string;
  digest: string | null;
  release: number;
  started: string | null;
  ended: string | null;
  seconds: number;
  fuel: Int64;
  peak_memory: Int64;
  failure: Failure | null;
  log: string;
}

/** Where a large input or result lies. */
export interface Blob {
  digest: string;
  size: Int64;
}

/** A job with all that is known of it. */
export interface JobRecord {
  id: string;
  tenant: string;
  task: string;
  queue: string;
  lane: string;
  priority: number;
  pin: unknown;
  crash_limit: number;
  options: Record<string, unknown> & { headers: Record<string, string> };
  /** Bytes in it are Base64 texts; null where it lies in a blob. */
  input: unknown;
  input_blob: Blob | null;
  expiry: string | null;
  key: string | null;
  unique: { key: string; until: string; conflict: string } | null;
  result_ttl: string | null;
  flow: string | null;
  state: JobState;
  cancelling: boolean;
  delivery: number;
  attempt: number;
  crash: number;
  worker: string | null;
  enqueued: string;
  available: string;
  started: string | null;
  finished: string | null;
  fuel: Int64;
  progress: Progress | null;
  log: string | null;
  attempts: Attempt[];
  /** Bytes in it are Base64 texts, and large ones are null: `Job.result` has it exactly. */
  result: unknown;
  result_blob: Blob | null;
}

/** What became of a job that was to be changed. */
export interface Fate {
  id: string;
  became:
    "cancelled" | "asked" | "ended" | "requeued" | "deleted" | "kept" | "duplicate" | "missing";
  state?: JobState;
  of?: string;
}

export type FlowState = "building" | "running" | "completed" | "failed" | "cancelled";

/** A flow with its steps. */
export interface FlowRecord {
  id: string;
  name: string;
  state: FlowState;
  nodes: number;
  pending: number;
  completed: number;
  failed: number;
  begun: string;
  ended: string | null;
  keep: string | null;
  steps: FlowStepRecord;
}

/** One step: a call, or steps, or steps that are so many that they are counted. */
export interface FlowStepRecord {
  path: string;
  task?: string;
  job?: string;
  state?: JobState;
  chain?: FlowStepRecord[];
  group?: FlowStepRecord[];
  graph?: FlowStepRecord[];
  many?: unknown;
}
