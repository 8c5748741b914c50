/** Server-sent events out of a stream of bytes (WHATWG HTML, section 9.2.6). */
import { LovageError } from "./problems.js";

export interface Sent {
  event: string;
  data: string;
  /** The last id of the stream so far. */
  id: string;
}

/** The longest event that is kept: what is longer is no event of this server's. */
const LONGEST = 16 * 1024 * 1024;

export class Parser {
  readonly #text = new TextDecoder();
  #left = "";
  #data: string[] = [];
  #event = "";
  #id = "";
  /** The last id of the stream so far, which need not be an event's. */
  last = "";

  /** The events that these bytes complete. One that the stream's end cuts off never is. */
  push(bytes: Uint8Array): Sent[] {
    this.#left += this.#text.decode(bytes, { stream: true });
    if (this.#left.length > LONGEST) throw new LovageError("an event is too long");
    const sent: Sent[] = [];
    for (;;) {
      const end = /\r\n|\n|\r/.exec(this.#left);
      // A `\r` at the very end may be the half of a `\r\n`.
      if (!end || (end[0] === "\r" && end.index === this.#left.length - 1)) return sent;
      const line = this.#left.slice(0, end.index);
      this.#left = this.#left.slice(end.index + end[0].length);
      const whole = this.#line(line);
      if (whole) sent.push(whole);
    }
  }

  #line(line: string): Sent | undefined {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return undefined;
  }

  #dispatch(): Sent | undefined {
    const { length } = this.#data;
    const sent = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
    this.#data = [];
    this.#event = "";
    this.last = this.#id;
    return length > 0 ? sent : undefined;
  }
}
