/** Tasks that read as functions, and the types that generated code gives them. */
import type { Client } from "./client.js";
import type { Job } from "./job.js";
import { type CallOptions, divided } from "./options.js";
import type { RequestOptions } from "./settings.js";
import { millis } from "./spans.js";

/** What a call is told beside its arguments, and its request. */
export type TaskOptions = CallOptions & RequestOptions;

/** The parameters of a call: a task that needs no arguments may be called without. */
export type CallParameters<A extends object> = {} extends A
  ? [args?: A, options?: TaskOptions]
  : [args: A, options?: TaskOptions];

/** A task: its arguments are `A`, and its result is `R`. */
export interface Task<A extends object = object, R = unknown> {
  /** Enqueues a job. */
  (...call: CallParameters<A>): Promise<Job<R>>;
  /** `module.task` */
  readonly task: string;
  /** Enqueues a job and waits for its result; `within` is for both together. */
  result(...call: CallParameters<A>): Promise<R>;
  /** Enqueues a job of each of these arguments, as `Client.enqueueMany` does. */
  many(all: readonly A[], options?: TaskOptions): Promise<Job<R>[]>;
  /** The same task, called with these options unless a call says otherwise. */
  withOptions(options: TaskOptions): Task<A, R>;
}

/** A server's modules where nothing is known of them. */
export type AnyModules = Record<string, Record<string, Task>>;

/** The names of the tasks of modules `M`. */
export type TaskName<M> = {
  [N in keyof M & string]: `${N}.${keyof M[N] & string}`;
}[keyof M & string];

/** The task of that name. */
export type TaskOf<M, N extends string> = N extends `${infer Module}.${infer Name}`
  ? Module extends keyof M
    ? Name extends keyof M[Module]
      ? M[Module][Name]
      : never
    : never
  : never;

/** What makes jobs of calls. */
export type Enqueuer = Pick<Client, "enqueue" | "enqueueMany">;

export function taskOf(client: Enqueuer, task: string, fixed: TaskOptions = {}): Task {
  const enqueue = (args: object = {}, options: TaskOptions = {}): Promise<Job> => {
    const { call, request } = divided(merged(fixed, options));
    return client.enqueue({ ...call, task, args }, request);
  };
  const result = async (args: object = {}, options: TaskOptions = {}): Promise<unknown> => {
    const began = performance.now();
    const job = await enqueue(args, options);
    return job.result(left(divided(merged(fixed, options)).request, began));
  };
  const many: Task["many"] = (all, options = {}) => {
    const { call, request } = divided(merged(fixed, options));
    // A key of all of them would make one job: it is that of the request.
    const { key, ...each } = call;
    const calls = all.map((args) => ({ ...each, task, args }));
    return client.enqueueMany(calls, { ...request, key });
  };
  const withOptions = (options: TaskOptions): Task => {
    return taskOf(client, task, merged(fixed, options));
  };
  return Object.assign(enqueue, { task, result, many, withOptions });
}

/** An option that is `undefined` says nothing. */
function merged(fixed: TaskOptions, options: TaskOptions): TaskOptions {
  const said = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...fixed, ...Object.fromEntries(said) };
}

/** The request's options with what is left of its time. */
export function left(request: RequestOptions, began: number): RequestOptions {
  if (request.within === undefined) return request;
  const within = millis(request.within, "within") - (performance.now() - began);
  return { ...request, within: Math.max(0, within) };
}
