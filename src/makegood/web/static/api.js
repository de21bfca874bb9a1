/** Talking to the shop. Every failure becomes a Problem with a code; nothing waits for ever. */

const TIMEOUT = 20_000;
const LONGEST_RETRY_AFTER = 60;

/** Why a call did not do what was asked. `status` 0: no answer came, so what it did is not known. */
export class Problem extends Error {
  constructor(code, { status = 0, detail = "", retryAfter = 0, orderId = null } = {}) {
    super(detail || code);
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.retryAfter = retryAfter;
    this.orderId = orderId;
  }

  /** Whether the shop itself said that nothing was done; only then is the outcome known without a look. */
  get nothingDone() {
    if (!this.fromShop || this.status === 408) return false;
    return (this.status >= 400 && this.status < 500) || this.status === 503;
  }

  get fromShop() {
    return !["no_answer", "unreadable", "leaving"].includes(this.code);
  }
}

/** A client that sends this token; `onUnauthorized` hears of every 401. */
export function client(token, onUnauthorized) {
  const call = async (method, path, options = {}) => {
    const answer = await send(method, path, token(), options);
    const body = await decoded(answer);
    if (answer.ok) return { status: answer.status, body };
    if (answer.status === 401) onUnauthorized();
    throw refusal(answer, body);
  };
  return {
    call,
    get: async (path, options) => (await call("GET", path, options)).body,
    post: async (path, body, options) => (await call("POST", path, { ...options, body })).body,
  };
}

/** The address of a page of a list, behind `after` (null: the first). */
export function page(path, limit, after) {
  return `${path}?limit=${limit}${after ? `&after=${encodeURIComponent(after)}` : ""}`;
}

/** The headers of a call. */
export function headersOf(token, more = {}) {
  return { Accept: "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}), ...more };
}

/** The Problem of an answer that is not OK. */
export function refusal(answer, body) {
  if (!body || typeof body.code !== "string") return new Problem("unreadable", { status: answer.status });
  const seconds = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
  return new Problem(body.code, {
    status: answer.status,
    detail: body.detail ?? "",
    retryAfter: Math.min(Number.isNaN(seconds) ? 1 : Math.max(1, seconds), LONGEST_RETRY_AFTER),
    orderId: body.order_id ?? null,
  });
}

/** The JSON of an answer, null of an empty one. Raises Problem: unreadable, no_answer, leaving. */
export async function decoded(answer) {
  const text = await answer.text().catch((error) => {
    throw new Problem(error?.name === "AbortError" ? "leaving" : "no_answer");
  });
  try {
    return text === "" ? null : JSON.parse(text, exact);
  } catch (error) {
    const detail = error instanceof RangeError ? error.message : "";
    throw new Problem("unreadable", { status: answer.status, detail });
  }
}

async function send(method, path, token, { body, headers = {}, life, timeout = TIMEOUT }) {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const signals = [AbortSignal.timeout(timeout), ...(life ? [life] : [])];
  try {
    return await fetch(path, {
      method,
      headers: headersOf(token, { ...json, ...headers }),
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.any(signals),
      cache: "no-store",
      credentials: "omit",
    });
  } catch {
    throw new Problem(life?.aborted ? "leaving" : "no_answer");
  }
}

function exact(_name, value) {
  // A number beyond 2^53 has lost its last digits here: better no amount than a wrong one.
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  throw new RangeError("An amount is too large to show.");
}
