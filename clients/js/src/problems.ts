/** What the server does not do, and why: a class for each kind of its problem documents. */

/** The base of all that this package throws, but for wrong usage (`TypeError`, `RangeError`). */
export class LovageError extends Error {
  override name = "LovageError";
}

/** Something in a request that is wrong. */
export interface Misplaced {
  /** A JSON Pointer: `/args/name`; of many calls `/jobs/7/args/name`. */
  pointer: string;
  detail: string;
}

export interface ProblemParts {
  kind: string;
  status: number;
  title: string;
  detail: string;
  errors: Misplaced[];
  /** After how many seconds it may be tried again, where the server says so. */
  retryAfter: number | undefined;
  /** The job that is there already, of a `duplicate`. */
  job?: string | undefined;
}

/** The server answered, and did not do it. */
export class Problem extends LovageError {
  /** Its name in the API, as `invalid-arguments`. */
  readonly kind: string;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly errors: Misplaced[];
  readonly retryAfter: number | undefined;
  readonly job: string | undefined;

  constructor(parts: ProblemParts) {
    const places = parts.errors.map((it) => it.pointer).filter((it) => it !== "");
    super(places.length > 0 ? `${parts.detail} (at ${places.join(", ")})` : parts.detail);
    this.name = nameOf(parts.kind);
    this.kind = parts.kind;
    this.status = parts.status;
    this.title = parts.title;
    this.detail = parts.detail;
    this.errors = parts.errors;
    this.retryAfter = parts.retryAfter;
    this.job = parts.job;
  }

  /** `urn:lovage:problem:…` */
  get type(): string {
    return TYPE + this.kind;
  }
}

export class BadRequest extends Problem {}
export class Unauthorized extends Problem {}
export class Forbidden extends Problem {}
export class NotFound extends Problem {}
export class Conflict extends Problem {}
export class Duplicate extends Problem {}
export class NotFinished extends Problem {}
export class TooLarge extends Problem {}
export class InvalidArguments extends Problem {}
export class Invalid extends Problem {}
export class Refused extends Problem {}
export class NoResult extends Problem {}
export class QueueFull extends Problem {}
export class Quota extends Problem {}
export class Suspended extends Problem {}
export class RateLimited extends Problem {}
export class RequestTimeout extends Problem {}
export class Unavailable extends Problem {}
export class Internal extends Problem {}

const TYPE = "urn:lovage:problem:";
const CLASSES: Record<string, typeof Problem> = {
  "bad-request": BadRequest,
  unauthorized: Unauthorized,
  forbidden: Forbidden,
  "not-found": NotFound,
  conflict: Conflict,
  duplicate: Duplicate,
  "not-finished": NotFinished,
  "too-large": TooLarge,
  "invalid-arguments": InvalidArguments,
  invalid: Invalid,
  refused: Refused,
  "job-failed": NoResult,
  "queue-full": QueueFull,
  quota: Quota,
  suspended: Suspended,
  "rate-limited": RateLimited,
  timeout: RequestTimeout,
  unavailable: Unavailable,
  internal: Internal,
};

/** The problem that an answer says. One that is no problem document is of what stands between. */
export function problemOf(status: number, retryAfter: string | null, body: string): Problem {
  const document = documentOf(body);
  const type = document?.["type"];
  const known = typeof type === "string" && type.startsWith(TYPE);
  const kind = known ? type.slice(TYPE.length) : kindOf(status);
  const text = (it: unknown): string | undefined => (typeof it === "string" ? it : undefined);
  const parts: ProblemParts = {
    kind,
    status,
    title: text(document?.["title"]) ?? `status ${status}`,
    detail: text(document?.["detail"]) ?? strange(status),
    errors: errorsOf(document?.["errors"]),
    retryAfter: secondsOf(retryAfter),
    job: text(document?.["job"]),
  };
  return problem(parts);
}

export function problem(parts: ProblemParts): Problem {
  return new (CLASSES[parts.kind] ?? Problem)(parts);
}

function strange(status: number): string {
  return (
    `the answer has status ${status} and is none of Lovage's: ` +
    "look at the URL, and at what stands before the server"
  );
}

function kindOf(status: number): string {
  if (status === 502 || status === 503 || status === 504) return "unavailable";
  if (status === 429) return "rate-limited";
  return "unknown";
}

function documentOf(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function errorsOf(value: unknown): Misplaced[] {
  if (!Array.isArray(value)) return [];
  return value.map((it) => ({ pointer: String(it?.pointer), detail: String(it?.detail) }));
}

/** `Retry-After` is seconds, or a date (RFC 9110). */
function secondsOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\d+$/.test(text.trim())) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, (at - Date.now()) / 1000);
}

/** `invalid-arguments` → `InvalidArguments`, also where a bundler has renamed the classes. */
function nameOf(kind: string): string {
  if (kind === "job-failed") return "NoResult";
  if (kind === "timeout") return "RequestTimeout";
  const words = CLASSES[kind] === undefined ? ["problem"] : kind.split("-");
  return words.map((it) => it.slice(0, 1).toUpperCase() + it.slice(1)).join("");
}
