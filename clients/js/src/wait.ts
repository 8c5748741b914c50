/** Waiting for an end: the server is asked to wait, again and again, until the time is up. */
import { WaitTimeout } from "./failures.js";
import { NotFinished } from "./problems.js";
import type { RequestOptions } from "./settings.js";
import { pause } from "./spans.js";
import { type Transport, backoff, isPassing } from "./transport.js";

/** What the server needs to answer that it is not yet there, before the time is up here. */
const MARGIN = 250;

export interface Awaited<T> {
  /** `job` or `flow`. */
  what: string;
  id: string;
  path: string;
  /** Of an answer: what was waited for, or `undefined` where it goes on. */
  ended: (answer: unknown) => { value: T } | undefined;
}

export async function waitFor<T>(
  transport: Transport,
  awaited: Awaited<T>,
  options: RequestOptions | undefined,
): Promise<T> {
  const { settings } = transport;
  const limits = transport.limits(options, settings.wait);
  const within = Math.round(limits.deadline - performance.now());
  const late = (cause?: unknown) => new WaitTimeout(awaited.what, awaited.id, within, cause);
  for (let failed = 0; ;) {
    const left = limits.deadline - performance.now();
    const poll = Math.round(Math.max(0, Math.min(settings.poll, left - MARGIN)));
    const query = { wait: `${poll}ms` };
    const asked = transport.asked({ method: "GET", path: awaited.path, query });
    const asking = performance.now();
    let trouble: unknown;
    try {
      const ended = awaited.ended(await transport.once(asked, limits, poll));
      if (ended) return ended.value;
    } catch (e) {
      if (!(e instanceof NotFinished)) {
        if (!isPassing(e)) throw e;
        trouble = e;
      }
    }
    // A server that is told to stop answers at once: it must not be asked without a pause.
    const early = performance.now() - asking < poll / 2;
    const wait = trouble || early || poll === 0 ? backoff(failed, trouble) : 0;
    failed = trouble || early ? failed + 1 : 0;
    if (performance.now() + wait >= limits.deadline) {
      await pause(Math.max(0, limits.deadline - performance.now()), limits.signal);
      throw late(trouble);
    }
    if (wait > 0) await pause(wait, limits.signal);
  }
}
