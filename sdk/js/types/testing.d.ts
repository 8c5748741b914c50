import type { Duration, Job, NewJob, SqlParameter, SqlValue } from "./index.js";

/** The digest that the module under test has. */
export const DIGEST: string;

/** The job that a task under test runs as: a first attempt of five, with a minute left, where nothing else is said. */
export interface TestJobOptions extends Partial<Job> {
  /** So many jobs run together. */
  batch?: number;
  remaining?: Duration | number;
  cancelled?: boolean | (() => boolean);
  /** What an earlier attempt saved. */
  checkpoint?: unknown;
  /** What `config.get` answers with. */
  config?: Record<string, string>;
  /** What buckets hold before. */
  buckets?: Record<string, Record<string, Uint8Array | string>>;
  /** Answers statements: with the rows that there are, or the number of those that were changed. */
  sql?: (connection: string, statement: string, parameters: SqlValue[]) => Record<string, SqlParameter>[] | number | void;
}

/** A job under test. What the task tells the queue is kept here, in order. */
export class TestJob {
  constructor(options?: TestJobOptions);
  /** Runs something as this job, and answers with what it returns. */
  run<T>(body: () => T): T;
  /** What a bucket holds. */
  bucket(name: string): Map<string, Uint8Array>;
  /** The job's next attempt, which has the state that this one saved, and the same buckets. */
  next(): TestJob;
  readonly progress: { share: number | undefined; message: string | undefined }[];
  readonly jobs: NewJob[];
  readonly flows: { flow: unknown; key?: string; atOnce: boolean }[];
  /** Each statement behind its connection, and where a transaction began and ended: `shop: begin`. */
  readonly statements: string[];
  /** How many jobs of a source may be open, where the jobs are a page and the checkpoint where the next one begins. */
  readonly open: number | undefined;
  /** The newest state that was saved. */
  readonly checkpoint: unknown;
}
