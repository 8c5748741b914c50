import type { Duration, Job, NewJob } from "./index.js";

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
}

/** A job under test. What the task tells the queue is kept here, in order. */
export class TestJob {
  constructor(options?: TestJobOptions);
  /** Runs something as this job, and answers with what it returns. */
  run<T>(body: () => T): T;
  /** The job's next attempt, which has the state that this one saved. */
  next(): TestJob;
  readonly progress: { share: number | undefined; message: string | undefined }[];
  readonly jobs: NewJob[];
  readonly flows: { flow: unknown; key?: string; atOnce: boolean }[];
  /** How many jobs of a source may be open, where the jobs are a page and the checkpoint where the next one begins. */
  readonly open: number | undefined;
  /** The newest state that was saved. */
  readonly checkpoint: unknown;
}
