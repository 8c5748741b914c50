// What an answer means for the job.

import { Failure } from "@lovage/sdk";

// A receiver may ask for patience, but not for all of the job's life.
const LONGEST_WAIT = 3600;
const SHOWN = 500;

/**
 * The seconds that `Retry-After` asks for: it has either them or a time.
 *
 * @param {string | null} header
 * @param {number} now Milliseconds since the Unix epoch.
 * @returns {number | undefined}
 */
export function patience(header, now) {
  if (header === null || header.trim() === "") return undefined;
  const seconds = /^\s*\d+\s*$/.test(header) ? Number(header) : (Date.parse(header) - now) / 1000;
  if (Number.isNaN(seconds)) return undefined;
  return Math.min(Math.max(0, Math.ceil(seconds)), LONGEST_WAIT);
}

/**
 * The failure that an answer is, if it is one.
 *
 * @param {number} status
 * @param {string | null} retryAfter
 * @param {string} text
 * @returns {Failure | undefined}
 */
export function failure(status, retryAfter, text) {
  if (status >= 200 && status < 300) return undefined;
  const detail = text.slice(0, SHOWN);
  // Another try can help where the receiver is broken, or busy. What it refuses, it refuses
  // tomorrow, too; and a redirect leads to a host that nobody has granted.
  if (status < 500 && status !== 429) {
    return new Failure(`the receiver answered ${status}`, { kind: "refused", detail }).neverRetry();
  }
  const failed = new Failure(`the receiver answered ${status}`, { kind: "receiver", detail });
  const seconds = patience(retryAfter, Date.now());
  return seconds === undefined ? failed : failed.retryAfter(seconds * 1000);
}
