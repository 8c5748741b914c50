// Base64, the standard and the URL alphabet, with padding or without.

/** The text of bytes. */
export function toBase64(bytes) {
  let binary = "";
  // A call has only so many arguments.
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(binary);
}

/** The bytes of a text; nothing where it is no base64. */
export function fromBase64(text) {
  const digits = text.replace(/={1,2}$/, "");
  const padded = digits.length !== text.length;
  if (!/^[A-Za-z0-9+/_-]*$/.test(digits) || digits.length % 4 === 1) return undefined;
  if (padded && text.length % 4 !== 0) return undefined;
  const binary = atob(digits.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
