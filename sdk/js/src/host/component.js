// The border of the component: ours calls out. It alone knows the contract's own forms.

import * as context from "lovage:task/context@0.1.0";
import * as jobs from "lovage:task/jobs@0.1.0";
import { running } from "../batch.js";
import { CallError } from "../failure.js";

/** The engine throws what the host answers as an error with the variant as its payload. */
function told(call) {
  try {
    return call();
  } catch (error) {
    const { tag, val } = error?.payload ?? {};
    throw tag === undefined ? error : new CallError(tag, `${tag}: ${val}`);
  }
}

function job({ enqueuedAtMs, headers, ...rest }) {
  return { ...rest, enqueuedAt: new Date(Number(enqueuedAtMs)), headers: Object.fromEntries(headers) };
}

export const current = () => job(context.current());

export function batch() {
  const shared = context.current();
  const calls = running();
  return calls.length ? calls.map((call) => job({ ...shared, ...call })) : [job(shared)];
}

export const remaining = () => Number(context.remainingMs());
export const cancelled = () => context.cancelled();
export const progress = (share, message) => told(() => context.progress(share, message));
export const checkpoint = (state) => told(() => context.checkpoint(state));
export const restore = () => told(() => context.restore());
export const enqueue = (all) => told(() => jobs.enqueue(all));
export const enqueueFlow = (flow) => told(() => jobs.enqueueFlow(flow));
export const enqueuePage = (page) => told(() => jobs.enqueuePage(page));
