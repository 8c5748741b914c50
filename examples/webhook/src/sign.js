// Signatures as Standard Webhooks has them (https://www.standardwebhooks.com): an HMAC over the
// id, the time and the body, so that neither an old request nor a changed one passes.

const encoder = new TextEncoder();

/**
 * @param {string} secret
 * @param {string} id
 * @param {number} seconds Since the Unix epoch.
 * @param {string} body
 * @returns {Promise<string>}
 */
export async function signature(secret, id, seconds, body) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(secret), algorithm, false, ["sign"]);
  const signed = await crypto.subtle.sign("HMAC", key, encoder.encode(`${id}.${seconds}.${body}`));
  return `v1,${btoa(String.fromCharCode(...new Uint8Array(signed)))}`;
}
