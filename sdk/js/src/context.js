// The job that is running, and what it may tell the queue of itself.

import * as host from "#host";
import { CallError } from "./failure.js";
import { decode, encode, Malformed } from "./msgpack.js";

export const context = {
  /** All that is known of the job. */
  get job() {
    return host.current();
  },
  get id() {
    return host.current().id;
  },
  get attempt() {
    return host.current().attempt;
  },
  get maxAttempts() {
    return host.current().maxAttempts;
  },
  get tenant() {
    return host.current().tenant;
  },
  get module() {
    return host.current().module;
  },
  get task() {
    return host.current().task;
  },
  get queue() {
    return host.current().queue;
  },
  get headers() {
    return host.current().headers;
  },
  batch() {
    return host.batch();
  },
  remaining() {
    return host.remaining();
  },
  cancelled() {
    return host.cancelled();
  },
  progress(share, message) {
    host.progress(share ?? undefined, message ?? undefined);
  },
  checkpoint(state) {
    host.checkpoint(encoded("the checkpoint", state));
  },
  restore() {
    const saved = host.restore();
    if (!saved) return undefined;
    try {
      return { digest: saved.digest, state: decode(saved.state) };
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      throw new CallError("invalid", `the checkpoint of module ${saved.digest} cannot be decoded: ${error.message}`);
    }
  },
};

/** A value in MessagePack; what cannot be is told as the host would tell it. */
export function encoded(what, value) {
  try {
    return encode(value);
  } catch (error) {
    throw new CallError("invalid", `${what} cannot be encoded: ${error.message}`);
  }
}
