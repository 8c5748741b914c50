declare const flavor: unique symbol;

/** A whole number that a `number` holds exactly. For all of 64 bits, use `bigint`. */
export type Integer = number & { readonly [flavor]?: "integer" };

/** A whole number and `ms`, `s`, `m`, `h` or `d`, as in `"30s"`. */
export type Duration = `${number}${"ms" | "s" | "m" | "h" | "d"}`;

/** A whole number and `KiB`, `MiB` or `GiB`, as in `"64MiB"`. */
export type Size = `${number}${"KiB" | "MiB" | "GiB"}`;

/** Starts in each period, as in `"100/1m"` or `"5/s"`. */
export type Rate = `${number}/${string}`;

interface Defaults {
  /** The task's name, where it is not that of the export. */
  name?: string;
  queue?: string;
  /** 0 to 9, 9 first. */
  priority?: number;
  /** Attempts beyond the first. */
  retries?: number;
  /** The wait between attempts. */
  backoff?: Duration | { base?: Duration; factor?: number; max?: Duration };
  /** Until when it is tried again. */
  maxAge?: Duration;
  /** Whether it is tried again after it ran out of fuel or memory. */
  retryExhausted?: boolean;
  timeout?: Duration;
  /** After which `context.cancelled()` answers true. */
  softTimeout?: Duration;
  /** Units of fuel that an attempt may burn. */
  fuel?: number | bigint;
  /** Memory that an attempt may hold. */
  memory?: Size;
  /** How long a job may wait for its first run. */
  expires?: Duration;
  /** How long a completed job and its result are kept. */
  resultTtl?: Duration;
  /** Until when there is no second job with the same arguments. */
  unique?: "start" | "done" | Duration;
  /** What becomes of a second one. */
  onConflict?: "existing" | "reject" | "replace";
  /** Starts in each period, over all workers. */
  rate?: Rate;
  /** Jobs at once, over all workers. */
  concurrency?: number;
}

interface Unscheduled {
  every?: undefined;
  cron?: undefined;
}

interface Scheduled {
  /** Each job begins up to so much later, at random. */
  jitter?: Duration;
  /** What becomes of times that no worker was there for: the last so many of them. */
  catchUp?: "none" | "last" | number;
  /** What a fire does while the last job still runs. */
  overlap?: "allow" | "skip" | "queue" | "replace";
}

interface Every extends Scheduled {
  /** The task is called by itself, with no arguments, at even spans. */
  every: Duration;
  cron?: undefined;
}

interface Cron extends Scheduled {
  /** The task is called by itself, with no arguments, by a cron line. */
  cron: string;
  every?: undefined;
  /** The IANA time zone of the cron line. */
  tz?: string;
}

/** A task's defaults; a call may set each of them. */
export type TaskOptions = Defaults & (Unscheduled | Every | Cron);

/** The same of a task whose calls are collected into runs of many. */
export type BatchOptions = TaskOptions & {
  /** At most so many, of which the first waits so long for the others. */
  batch: { max: number; wait: Duration };
};

/** A task: still the function that it was made of. */
export interface Task<A, R> {
  (...args: {} extends A ? [args?: A] : [args: A]): R;
}

/** A batched task: from the arguments of many calls to a result for each, in their order. */
export interface BatchTask<A, R> {
  (calls: A[]): R;
}

/** Declares a batched task. For each call it returns the result, or a `Failure`. */
export function task<A extends object, R extends Results>(options: BatchOptions, run: (calls: A[]) => R): BatchTask<A, R>;
/** Declares a task: what the module's entry file exports of these, callers call. */
export function task<A extends object | undefined, R>(options: TaskOptions & { batch?: undefined }, run: (args: A) => R): Task<Exclude<A, undefined>, R>;
export function task<A extends object | undefined, R>(run: (args: A) => R): Task<Exclude<A, undefined>, R>;

type Results = readonly unknown[] | Promise<readonly unknown[]>;

/** Why a task did not succeed, and what to do next. Without advice, the job's retry policy says. */
export class Failure extends Error {
  constructor(message: string, options?: { kind?: string; detail?: string; cause?: unknown });
  /** A stable word that tells failures apart: `error` where none is said. */
  kind: string;
  detail: string | undefined;
  /** What was asked for. */
  readonly retry: { tag: "policy" | "now" | "never" } | { tag: "after"; val: bigint };
  /** Asks for the next attempt at once. It counts as one. */
  retryNow(): this;
  /** Asks for the next attempt after a while: `"30s"`, or milliseconds. It counts as one. */
  retryAfter(wait: Duration | number): this;
  /** Asks for no further attempt: the job is discarded. */
  neverRetry(): this;
}

/** Why a database did not carry a statement out, or there is not the one row that was asked for. */
export class SqlError extends Error {
  constructor(code: SqlError["code"], message: string, options?: { state?: string; mayRetry?: boolean });
  code: "denied" | "unknown" | "invalid" | "database" | "limit" | "unavailable" | "rows";
  /** What the database itself says: its SQLSTATE, or SQLite's extended result code. */
  state: string | undefined;
  /** Whether the same may succeed when it is tried again. */
  mayRetry: boolean;
}

/** Why the host did not do what the module asked of it. */
export class CallError extends Error {
  constructor(code: CallError["code"], message: string);
  code: "denied" | "invalid" | "limit" | "unavailable";
}

/** The job that is running. */
export interface Job {
  /** A UUIDv7. */
  readonly id: string;
  readonly tenant: string;
  readonly module: string;
  readonly task: string;
  readonly queue: string;
  /** The digest of this module: 64 hexadecimal digits. */
  readonly digest: string;
  /** 1 for the first run. */
  readonly attempt: number;
  /** Runs in all, the first included. */
  readonly maxAttempts: number;
  /** By the broker's clock. */
  readonly enqueuedAt: Date;
  /** What the caller sent beside the arguments. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The job that is running, and what it may tell the queue of itself. */
export const context: Omit<Job, "digest" | "enqueuedAt"> & {
  /** All that is known of the job. */
  readonly job: Job;
  /** The jobs of the calls that a batched task was given, in their order. */
  batch(): Job[];
  /** Milliseconds left until the attempt's deadline. */
  remaining(): number;
  /** Whether this attempt should stop. One that does not is stopped 50 ms later. */
  cancelled(): boolean;
  /** How far the job is: a share from 0 to 1 where it is known, and a line for a person. */
  progress(share?: number | null, message?: string): void;
  /** Saves a state, of at most 1 MiB, for the job's next attempt. The newest one stands. */
  checkpoint(state: unknown): void;
  /** The state that an earlier attempt saved, and the digest of the module that saved it. */
  restore<T>(): { digest: string; state: T } | undefined;
};

/** How a job is to be made. */
export interface NewJobOptions {
  /** Names this child among its parent's: a parent that is run again makes no second one. */
  key?: string;
  queue?: string;
  lane?: string;
  /** 0 to 9, 9 first. */
  priority?: number;
  /** How long to wait before the job becomes available. */
  delay?: Duration | number;
  /** Runs in all, the first included. */
  maxAttempts?: number;
  headers?: Record<string, string>;
  /** Makes it at once, whatever becomes of the job that enqueues it; otherwise it is made when that completes. */
  atOnce?: boolean;
}

/** A job to enqueue: the task is written `module.task`. */
export interface NewJob extends NewJobOptions {
  task: string;
  args?: object;
}

/** Enqueues one job, and answers with its id. */
export function enqueue(task: string, args?: object, options?: NewJobOptions): string;
/** Enqueues all of them or none, and answers with their ids in order. */
export function enqueueAll(jobs: readonly NewJob[]): string[];
/** Makes a flow, in the form that `lovage flow run` reads, and answers with its id. */
export function enqueueFlow(flow: object, options?: { key?: string; atOnce?: boolean }): string;
/**
 * Makes the running job a source of others: `page` is asked for one page a run, with where the one before said that it
 * goes on, until it says no more. At most `open` of the jobs are there at once that have not ended.
 */
export function source<C>(
  open: number,
  page: (cursor: C | undefined) => Page<C> | Promise<Page<C>>,
): Promise<void>;

/** A page of a source: at most 1,000 jobs, and where the next page begins. */
export interface Page<C> {
  jobs: readonly NewJob[];
  next?: C | undefined;
}

/** Values and secrets of the tenant that the module wants (`config KEY`, `secret KEY`) and was granted. */
export const config: {
  get(key: string): string | undefined;
};

/**
 * Keys with values that stay from one job to the next, by the grant `bucket NAME`. Each call is one step: all of it is
 * done, or nothing. A write is no part of its job: it stays when the job fails afterwards.
 */
export class Bucket {
  private constructor();
  /** The bucket of this name, also at the top of a file. It is there with its first key. */
  static open(name: string): Bucket;
  get(key: string): Uint8Array | undefined;
  /** A text is kept as UTF-8. */
  set(key: string, value: Uint8Array | string): void;
  delete(key: string): void;
  exists(key: string): boolean;
  /** Values as they are at one moment, in the order asked for. */
  getMany(keys: readonly string[]): (Uint8Array | undefined)[];
  setMany(values: Readonly<Record<string, Uint8Array | string>>): void;
  deleteMany(keys: readonly string[]): void;
  /** All keys in the order of their bytes, page by page as they are asked for. */
  keys(): Generator<string, void>;
  /** Adds to a number, which is zero where there is none, and answers with the sum. */
  increment(key: string, by?: number): number;
  increment(key: string, by: bigint): bigint;
  /** Sets a key if its value is what is expected, or if it is not there and nothing is; whether it did. */
  swap(key: string, expected: Uint8Array | string | null | undefined, value: Uint8Array | string): boolean;
}

/** What a row has in a column. A whole number is a `bigint` where a `number` does not hold it exactly. */
export type SqlValue = null | boolean | number | bigint | string | Uint8Array;

/** What can be a parameter. A `Date` goes as the text of RFC 3339. */
export type SqlParameter = SqlValue | undefined | Date;

/** What a statement brought back: of columns of one name the first counts. */
export interface Rows<R> {
  readonly columns: string[];
  readonly rows: R[];
  /** How many rows the statement changed; of one that only reads, how many it found. */
  readonly affected: number;
  /** The one row that there is; an `SqlError` where there is none, or another one. */
  one(): R;
}

/** Statements of which all count or none. */
export interface Transaction {
  query<R extends object = Record<string, SqlValue>>(statement: string, parameters?: readonly SqlParameter[]): Rows<R>;
}

/** Databases that the operator has named, by the grant `sql NAME`. */
export const sql: {
  /** Carries one statement out, in a transaction of its own. */
  query<R extends object = Record<string, SqlValue>>(
    connection: string,
    statement: string,
    parameters?: readonly SqlParameter[],
  ): Rows<R>;
  /** Carries out all that `body` does, or nothing where it throws or rejects. */
  transaction<T>(connection: string, body: (transaction: Transaction) => T): T;
};

/** Says what the module wants to reach beside the queue, in lines such as `http GET api.example.com`. */
export function wants(...lines: string[]): void;
