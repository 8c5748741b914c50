/** Flows: calls that wait for others and take their results. */
import { FlowFailed } from "./failures.js";
import { NoResult } from "./problems.js";
import type { FlowRecord, Span } from "./records.js";
import type { RequestOptions } from "./settings.js";
import type { Transport } from "./transport.js";
import { waitFor } from "./wait.js";

/** A call within a flow, by the names that the API has. */
export interface FlowCall {
  task: string;
  args?: object;
  /** Arguments that are results of other steps. */
  results?: Record<string, "previous" | "failures" | { step: string }>;
  on_failure?: "stop" | "wait" | { default: unknown };
  [option: string]: unknown;
}

/** A step: a call, or one of the others. */
export type FlowStep = { on_error?: FlowCall } & (
  | FlowCall
  | { chain: FlowStep[] }
  | { group: FlowStep[] }
  | { chord: { group: FlowStep[]; then: FlowStep } }
  | { graph: Record<string, FlowStep & { after?: string[] }> }
  | { map: FlowCall & { over: string; values: unknown[] } }
  | { starmap: FlowCall & { values: object[] } }
  | { chunks: FlowCall & { over: string; values: unknown[]; size: number } }
);

/** A step that is all of it, with what is said of the whole. */
export type NewFlow = FlowStep & {
  name?: string;
  /** How long it is kept once it has ended. */
  keep?: Exclude<Span, number>;
  on_failure?: "stop" | "wait" | { default: unknown };
};

const ENDED = new Set(["completed", "failed", "cancelled"]);

export class Flow {
  readonly #transport: Transport;

  constructor(
    transport: Transport,
    readonly id: string,
  ) {
    this.#transport = transport;
  }

  /** Its steps, and where each of them stands. */
  async record(options?: RequestOptions): Promise<FlowRecord> {
    const ask = { method: "GET", path: this.#path() } as const;
    return (await this.#transport.ask(ask, options)) as FlowRecord;
  }

  /** Its record once it has ended, however it has. */
  wait(options?: RequestOptions): Promise<FlowRecord> {
    const ended = (answer: unknown) => {
      const record = answer as FlowRecord;
      return ENDED.has(record.state) ? { value: record } : undefined;
    };
    return waitFor(
      this.#transport,
      { what: "flow", id: this.id, path: this.#path(), ended },
      options,
    );
  }

  /**
   * The result of all of it once it has completed, or of the step at a path (`chain[0]`).
   *
   * @throws FlowFailed where it failed or was cancelled, WaitTimeout where it goes on.
   */
  async result(options: RequestOptions & { step?: string | undefined } = {}): Promise<unknown> {
    const record = await this.wait(options);
    if (record.state !== "completed" && options.step === undefined) throw new FlowFailed(record);
    const path = this.#path("/result");
    const query = { node: options.step };
    try {
      return await this.#transport.ask({ method: "GET", path, query }, { signal: options.signal });
    } catch (e) {
      throw e instanceof NoResult ? new FlowFailed(record) : e;
    }
  }

  /** Cancels what has not ended of it. Whether there was something to do. */
  cancel(options?: RequestOptions): Promise<boolean> {
    return this.#act("/cancel", options);
  }

  /**
   * Lets what failed of it run again. Whether there was something to do. It is asked for once:
   * after a `NoAnswer`, look how the flow stands.
   */
  retry(options?: RequestOptions): Promise<boolean> {
    // What has failed once more meanwhile would be run once more by a second one.
    return this.#act("/retry", options, true);
  }

  async #act(what: string, options: RequestOptions | undefined, once = false): Promise<boolean> {
    const ask = { method: "POST", path: this.#path(what), once } as const;
    return ((await this.#transport.ask(ask, options)) as { done: boolean }).done;
  }

  #path(behind = ""): string {
    return `/v1/flows/${encodeURIComponent(this.id)}${behind}`;
  }
}
