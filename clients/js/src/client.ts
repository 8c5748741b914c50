/** A server, as those see it who enqueue jobs there. */
import { encode, encodedList, withoutBytes } from "./codec.js";
import { type EventOptions, type LovageEvent, events } from "./events.js";
import { PartlyEnqueued } from "./failures.js";
import { Flow, type NewFlow } from "./flow.js";
import { Job } from "./job.js";
import { type Call, callBody } from "./options.js";
import { Problem, problem } from "./problems.js";
import type { Fate, JobRecord, JobState } from "./records.js";
import { type RequestOptions, type Settings, resolve } from "./settings.js";
import { type AnyModules, type TaskName, type TaskOf, left, taskOf } from "./task.js";
import { Transport } from "./transport.js";

/** What one request may name or make. */
const MOST = 1_000;
/** Bytes of calls in a request, unless one alone has more: below what a server takes (24 MiB). */
const MOST_BYTES = 8 * 1024 * 1024;
/** What moves first. */
const STATES: JobState[] = [
  "running",
  "available",
  "retryable",
  "scheduled",
  "pending",
  "discarded",
  "cancelled",
  "completed",
];

/** Which jobs: all of it must hold. */
export interface JobFilter {
  state?: JobState | undefined;
  queue?: string | undefined;
  /** `module` or `module.task` */
  task?: string | undefined;
  /** Whose last attempt ended so: `deadline`, `out-of-fuel`, …, or a kind of the task's own. */
  reason?: string | undefined;
  tag?: string | undefined;
}

export interface ManyOptions extends RequestOptions {
  /** With the same key, the same calls make no second jobs. */
  key?: string | undefined;
}

export class Client<M extends object = AnyModules> {
  // No module's name begins with `_`, so it is in the way of none.
  private readonly _transport: Transport;

  constructor(settings: Settings = {}) {
    this._transport = new Transport(resolve(settings));
  }

  /** A task by its name, `module.task`. */
  task<N extends TaskName<M>>(name: N): TaskOf<M, N> {
    return taskOf(this, name) as TaskOf<M, N>;
  }

  /** Makes a job of a call. A repeat after a lost answer makes no second one. */
  async enqueue<R = unknown>(call: Call, options?: RequestOptions): Promise<Job<R>> {
    const key = call.key ?? newKey();
    const body = callBody({ ...call, key });
    const answer = await this._transport.ask(
      { method: "POST", path: "/v1/jobs", body, key },
      options,
    );
    return this.job((answer as { id: string }).id);
  }

  /**
   * Makes jobs of calls, in their order. Up to 1,000 of them (and 8 MiB) are one request: all or
   * none. With more there are more requests.
   *
   * @throws PartlyEnqueued where a request failed after others were done.
   */
  async enqueueMany<R = unknown>(
    calls: readonly Call[],
    options: ManyOptions = {},
  ): Promise<Job<R>[]> {
    const { key = newKey(), ...request } = options;
    const began = performance.now();
    // All of them, so that a wrong option is told before there is a job.
    const all = calls.map((it, n) => {
      return encode(callBody({ ...it, key: it.key ?? `${key}/${n}` }), `/jobs/${n}`);
    });
    const ids: string[] = [];
    for (const part of parts(all)) {
      const packed = encodedList("jobs", part);
      const ask = { method: "POST", path: "/v1/jobs/batch", packed, key } as const;
      try {
        const answer = await this._transport.ask(ask, left(request, began));
        ids.push(...(answer as { ids: string[] }).ids);
      } catch (e) {
        const cause = moved(e, ids.length);
        throw ids.length === 0 ? cause : new PartlyEnqueued(ids, calls.length, key, cause);
      }
    }
    return ids.map((id) => this.job<R>(id));
  }

  /** A job by its id; whether there is one, its methods find out. */
  job<R = unknown>(id: string): Job<R> {
    return new Job<R>(this._transport, id);
  }

  /**
   * The records of jobs, read page by page: with no logs, and null for long inputs and results.
   * What changes its state meanwhile may be there twice, or not at all.
   */
  async *jobs(filter: JobFilter = {}, options?: RequestOptions): AsyncGenerator<JobRecord> {
    const { state, ...rest } = filter;
    for (const each of state === undefined ? STATES : [state]) {
      let cursor: string | undefined;
      do {
        const query = { ...rest, state: each, limit: "200", cursor };
        const ask = { method: "GET", path: "/v1/jobs", query } as const;
        const page = (await this._transport.ask(ask, options)) as {
          jobs: JobRecord[];
          next: string | null;
        };
        yield* page.jobs;
        cursor = page.next ?? undefined;
      } while (cursor !== undefined);
    }
  }

  /** Cancels jobs, and says of each what became of it. */
  async cancel(ids: readonly string[], options: RequestOptions = {}): Promise<Fate[]> {
    const began = performance.now();
    const fates: Fate[] = [];
    for (let from = 0; from < ids.length; from += MOST) {
      const body = { ids: ids.slice(from, from + MOST) };
      const ask = { method: "POST", path: "/v1/jobs/cancel", body } as const;
      const answer = await this._transport.ask(ask, left(options, began));
      fates.push(...(answer as { jobs: Fate[] }).jobs);
    }
    return fates;
  }

  /** What happens, as it happens, until the caller leaves the loop. */
  events(options: EventOptions = {}): AsyncGenerator<LovageEvent> {
    return events(this._transport.settings, options);
  }

  /** Begins a flow: once, as with its idempotency key it is sent again after a lost answer. */
  async runFlow(
    flow: NewFlow,
    { key = newKey(), ...options }: RequestOptions & { key?: string } = {},
  ): Promise<Flow> {
    const body = withoutBytes(flow);
    // A job's key is in its call; a flow's goes with the request, in the characters of a header.
    if (!/^[!-~]([ -~]{0,253}[!-~])?$/.test(key)) {
      throw new TypeError(
        "the key of a flow has 1 to 255 characters of ASCII, and no space at an end",
      );
    }
    const headers = { "idempotency-key": key };
    const ask = { method: "POST", path: "/v1/flows", body, key, headers } as const;
    const answer = await this._transport.ask(ask, options);
    return this.flow((answer as { id: string }).id);
  }

  /** A flow by its id. */
  flow(id: string): Flow {
    return new Flow(this._transport, id);
  }
}

/** Encoded calls, as they go into requests. */
function* parts(all: readonly Uint8Array[]): Generator<Uint8Array[]> {
  let part: Uint8Array[] = [];
  let bytes = 0;
  for (const one of all) {
    if (part.length === MOST || (part.length > 0 && bytes + one.length > MOST_BYTES)) {
      yield part;
      [part, bytes] = [[], 0];
    }
    part.push(one);
    bytes += one.length;
  }
  if (part.length > 0) yield part;
}

/** Without `randomUUID`, which browsers have on secure pages only. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (it) => it.toString(16).padStart(2, "0")).join("");
}

/** A problem of a later request, with places as they are among all calls. */
function moved(e: unknown, from: number): unknown {
  if (!(e instanceof Problem) || from === 0) return e;
  const errors = e.errors.map((it) => {
    const place = /^\/jobs\/(\d+)(.*)$/s.exec(it.pointer);
    const pointer = place ? `/jobs/${Number(place[1]) + from}${place[2]}` : it.pointer;
    return { ...it, pointer };
  });
  const { kind, status, title, detail, retryAfter, job } = e;
  return problem({ kind, status, title, detail, retryAfter, job, errors });
}
