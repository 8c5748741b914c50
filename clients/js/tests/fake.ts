/** A server of the tests' own, whose every answer a test writes. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";
import { decode, encode } from "@msgpack/msgpack";

export interface Heard {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  /** The body, out of MessagePack. */
  body: unknown;
  /** The body as it came. */
  bytes: Uint8Array;
}

export type Handler = (heard: Heard, response: ServerResponse) => unknown;

export class Fake {
  readonly heard: Heard[] = [];
  readonly #server: Server;

  private constructor(handlers: Handler[]) {
    const left = [...handlers];
    this.#server = createServer((request, response) => {
      void listen(request).then(async (heard) => {
        this.heard.push(heard);
        // The last one answers all that come after it.
        const handler = left.length > 1 ? left.shift() : left[0];
        await handler?.(heard, response);
      });
    });
  }

  /** Answers the first request by the first handler, and so on. Gone after the test file. */
  static async start(...handlers: Handler[]): Promise<Fake> {
    const fake = new Fake(handlers);
    await new Promise<void>((done) => fake.#server.listen(0, "127.0.0.1", done));
    after(() => fake.stop());
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

async function listen(request: IncomingMessage): Promise<Heard> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  const bytes = new Uint8Array(Buffer.concat(chunks));
  const url = new URL(request.url ?? "/", "http://fake");
  return {
    method: request.method ?? "",
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
    body: bytes.length > 0 ? decode(bytes) : undefined,
    bytes,
  };
}

/** An answer of the server's. */
export function answer(value: unknown, status = 200): Handler {
  return (_, response) => {
    response.writeHead(status, { "content-type": "application/msgpack" });
    response.end(encode(value, { useBigInt64: true }));
  };
}

/** The answer to a call. */
export const made = (id: string) => answer({ id }, 201);

/** A problem document. */
export function refusal(
  kind: string,
  status: number,
  more: { retryAfter?: string; errors?: object[]; detail?: string } = {},
): Handler {
  return (_, response) => {
    const headers: Record<string, string> = { "content-type": "application/problem+json" };
    if (more.retryAfter !== undefined) headers["retry-after"] = more.retryAfter;
    const { detail = "so it is", errors = [] } = more;
    const type = `urn:lovage:problem:${kind}`;
    response.writeHead(status, headers);
    response.end(JSON.stringify({ type, title: kind, status, detail, errors }));
  };
}

/** The request arrives, and the connection breaks before there is an answer. */
export const lost: Handler = (_, response) => void response.socket?.destroy();

/** Half of an answer, and then a broken connection. */
export const half: Handler = (_, response) => {
  response.writeHead(200, { "content-type": "application/msgpack", "content-length": "100" });
  response.write(new Uint8Array([0x81]), () => response.socket?.destroy());
};

/** No answer at all, over a connection that stays. */
export const silent: Handler = () => undefined;

/** A job's record, as far as waiting looks at it. */
export function record(state: string, more: object = {}): object {
  return { id: "j1", task: "m.t", state, attempts: [], ...more };
}
