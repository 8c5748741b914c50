/** Spans of time: milliseconds here, texts such as `30s` in the API. */
import type { Span } from "./records.js";

const UNITS: Record<string, number> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };

/** A span's milliseconds; `Infinity` is one. */
export function millis(span: Span, what: string): number {
  if (typeof span === "number") {
    if (span >= 0) return span;
  } else {
    const parts = /^(\d+)(ms|s|m|h|d)$/.exec(span);
    if (parts) return Number(parts[1]) * (UNITS[parts[2]!] ?? 1);
  }
  throw new RangeError(`\`${what}\`: ${span} is no span: say milliseconds, or as in "30s"`);
}

/** A span as the API takes it: in the largest unit that has it whole. */
export function spanText(span: Span, what: string): string {
  const all = Math.round(millis(span, what));
  if (!Number.isSafeInteger(all)) throw new RangeError(`\`${what}\`: ${span} is too long`);
  if (typeof span === "string") return span;
  const units = Object.entries(UNITS).reverse();
  const [unit, size] = units.find(([, it]) => all > 0 && all % it === 0) ?? ["ms", 1];
  return `${all / size}${unit}`;
}

/** Waits, unless the signal says that nobody does any more. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    // A timer that is told more than 2³¹ ms does not wait at all.
    const timer = setTimeout(
      () => {
        signal?.removeEventListener("abort", stop);
        resolve();
      },
      Math.min(ms, 2 ** 31 - 1),
    );
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
