/** What happens, as it happens: a stream that goes on where it was after every break. */
import { type Asked, Patience, broken, open } from "./exchange.js";
import { Problem } from "./problems.js";
import type { Resolved } from "./settings.js";
import { pause } from "./spans.js";
import { Parser, type Sent } from "./sse.js";
import { backoff, isPassing } from "./transport.js";

/** The server says something every 15 s: after three times that it is taken for gone. */
const SILENCE = 45_000;

export interface LovageEvent {
  /** `jobs`, `release`, `limit`, `schedule`, `flow`, `progress`, or `gap`. */
  event: string;
  data: unknown;
  /** Where a later stream may go on; empty where there is none yet. */
  id: string;
}

export interface EventOptions {
  /** Only of this queue. */
  queue?: string | undefined;
  /** Only of this task, `module.task`. */
  task?: string | undefined;
  /** Only of this job; with its progress. */
  job?: string | undefined;
  /** Goes on behind the event of this id. */
  after?: string | undefined;
  /** Ends the stream, with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * Endless: it ends where the caller leaves the loop or aborts, the server refuses it, or it could
 * not begin in the time of a request. Where events were missed there is a `gap`: read anew what
 * you show.
 */
export async function* events(
  settings: Resolved,
  options: EventOptions,
): AsyncGenerator<LovageEvent> {
  const { signal, after, ...query } = options;
  const begin = performance.now() + settings.within;
  let last = after ?? "";
  let begun = false;
  for (let failed = 0, lost = false; ; lost = begun) {
    const asked: Asked = { method: "GET", path: "/v1/events", query, accept: "text/event-stream" };
    if (last !== "") asked.headers = { "last-event-id": last };
    let trouble: unknown;
    try {
      const at = (id: string): void => void (last = id || last);
      for await (const sent of streamed(settings, asked, signal, at)) {
        // With no id to go on from, nobody knows what happened during the break.
        if (lost && last === "") yield { event: "gap", data: {}, id: "" };
        lost = false;
        begun = true;
        if (sent === undefined) continue;
        failed = 0;
        last = sent.id || last;
        yield { event: sent.event, data: parsed(sent.data), id: last };
      }
    } catch (e) {
      if (!isPassing(e)) throw e;
      trouble = e;
    }
    const wait = backoff(failed++, trouble);
    // A URL where nobody is must not be waited for without end.
    if (!begun && performance.now() + wait >= begin) throw trouble;
    await pause(wait, signal);
  }
}

/** The events of one connection; `undefined` for its begin. `at` is told where it is. */
async function* streamed(
  settings: Resolved,
  asked: Asked,
  signal: AbortSignal | undefined,
  at: (id: string) => void,
): AsyncGenerator<Sent | undefined> {
  const patience = new Patience(signal, Infinity);
  try {
    patience.heard(settings.silence);
    const response = await open(settings, asked, patience).catch((e: unknown) => {
      throw e instanceof Problem ? e : broken(settings, asked, patience, e);
    });
    const reader = response.body?.getReader();
    patience.heard(Infinity);
    yield undefined;
    const parser = new Parser();
    for (; reader;) {
      patience.heard(SILENCE);
      const { done, value } = await reader.read().catch((e: unknown) => {
        throw broken(settings, asked, patience, e);
      });
      if (done) return;
      // Whoever takes long over an event is no silence of the server's.
      patience.heard(Infinity);
      yield* parser.push(value);
      at(parser.last);
    }
  } finally {
    // Whoever leaves the loop leaves no connection behind.
    patience.close();
  }
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}
