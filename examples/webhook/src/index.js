// Sends web-hooks: signed, and until the receiver has taken them.

import { config, context, Failure, task, wants } from "@lovage/sdk";
import { failure } from "./answer.js";
import { signature } from "./sign.js";

wants("secret webhook-secret");
// Your receivers stand here. The second one is a server of your own machine, to try it out.
wants("http POST hooks.example.com", "http private POST 127.0.0.1:47126");

/** Sends an event to a receiver. */
export const send = task(
  {
    retries: 8,
    backoff: { base: "1s", factor: 4, max: "30m" },
    maxAge: "1d",
    timeout: "20s",
  },
  /**
   * @param {object} args
   * @param {string} args.url Of a receiver that the module was granted.
   * @param {string} args.event What has happened, as in `order.paid`.
   * @param {unknown} args.data What the receiver is told of it.
   */
  async ({ url, event, data }) => {
    const secret = config.get("webhook-secret");
    if (!secret) throw new Failure("there is no `webhook-secret`", { kind: "config" });
    // All attempts send the same id and body: a receiver that took one knows the next one by it.
    const body = JSON.stringify({ id: context.id, event, data });
    const seconds = Math.floor(Date.now() / 1000);
    const headers = {
      "content-type": "application/json",
      "idempotency-key": context.id,
      "webhook-id": context.id,
      "webhook-timestamp": String(seconds),
      "webhook-signature": await signature(secret, context.id, seconds, body),
    };
    const { status, retryAfter, text } = await post(url, headers, body);
    const failed = failure(status, retryAfter, text);
    if (failed) throw failed;
    return { status, attempt: context.attempt };
  },
);

/**
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {string} body
 * @returns {Promise<{ status: number, retryAfter: string | null, text: string }>}
 */
async function post(url, headers, body) {
  try {
    const answer = await fetch(url, { method: "POST", headers, body, redirect: "manual" });
    // The sandbox's engine has an answer's headers no longer once its body was read.
    const retryAfter = answer.headers.get("retry-after");
    return { status: answer.status, retryAfter, text: await answer.text() };
  } catch (cause) {
    throw new Failure(`${url} cannot be reached`, { kind: "unreachable", cause });
  }
}
