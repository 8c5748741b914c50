/** A job that was enqueued: to wait for it, to follow it, to cancel it. */
import { type EventOptions, events } from "./events.js";
import { JobCancelled, JobFailed } from "./failures.js";
import { NoResult } from "./problems.js";
import type { Fate, JobRecord, JobState, Progress } from "./records.js";
import type { RequestOptions } from "./settings.js";
import type { Transport } from "./transport.js";
import { waitFor } from "./wait.js";

const FINAL = new Set<JobState>(["completed", "discarded", "cancelled"]);

/** How far a job is. */
export interface JobProgress {
  id: string;
  state: JobState;
  /** What the task said of itself, if it has. */
  progress: Progress | null;
}

export class Job<R = unknown> {
  readonly #transport: Transport;

  constructor(
    transport: Transport,
    readonly id: string,
  ) {
    this.#transport = transport;
  }

  /** All that is known of it just now. */
  async record(options?: RequestOptions): Promise<JobRecord> {
    const ask = { method: "GET", path: this.#path() } as const;
    return (await this.#transport.ask(ask, options)) as JobRecord;
  }

  /**
   * Its record once it has ended, however it has.
   *
   * @throws WaitTimeout where it has not within the time; it goes on.
   */
  wait(options?: RequestOptions): Promise<JobRecord> {
    const ended = (answer: unknown) => {
      const record = answer as JobRecord;
      return FINAL.has(record.state) ? { value: record } : undefined;
    };
    return waitFor(
      this.#transport,
      { what: "job", id: this.id, path: this.#path(), ended },
      options,
    );
  }

  /**
   * Its result, once it has completed. Bytes are a `Uint8Array`, and whole numbers beyond the
   * safe ones a `bigint`.
   *
   * @throws JobFailed or JobCancelled where there is none, WaitTimeout where it goes on.
   */
  async result(options?: RequestOptions): Promise<R> {
    const ended = (answer: unknown) => ({ value: answer as R });
    const path = this.#path("/result");
    try {
      return await waitFor(this.#transport, { what: "job", id: this.id, path, ended }, options);
    } catch (e) {
      if (!(e instanceof NoResult)) throw e;
      const record = await this.record({ signal: options?.signal });
      throw record.state === "cancelled" ? new JobCancelled(record) : new JobFailed(record);
    }
  }

  /** `cancelled`, `asked` (it runs, and was asked to stop), or `ended` (it had before). */
  async cancel(options?: RequestOptions): Promise<Fate> {
    return this.#act("/cancel", options);
  }

  /**
   * Makes a discarded or cancelled job available again; `kept` where it is neither. It is asked
   * for once: after a `NoAnswer`, look how the job stands.
   */
  async requeue(options?: RequestOptions): Promise<Fate> {
    // What has failed once more meanwhile would be run once more by a second one.
    return this.#act("/requeue", options, true);
  }

  /** How far it is, each time that this changes, until it has ended. */
  async *progress(options: Pick<EventOptions, "signal"> = {}): AsyncGenerator<JobProgress> {
    let last: string | undefined;
    for await (const event of events(this.#transport.settings, { ...options, job: this.id })) {
      if (event.event !== "progress") continue;
      const now = event.data as JobProgress;
      // After a break the server tells anew how it stands.
      const text = JSON.stringify(now);
      if (text !== last) yield now;
      last = text;
      if (FINAL.has(now.state)) return;
    }
  }

  async #act(what: string, options: RequestOptions | undefined, once = false): Promise<Fate> {
    const ask = { method: "POST", path: this.#path(what), once } as const;
    return (await this.#transport.ask(ask, options)) as Fate;
  }

  #path(behind = ""): string {
    return `/v1/jobs/${encodeURIComponent(this.id)}${behind}`;
  }
}
