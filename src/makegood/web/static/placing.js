/**
 * Placing an order, once.
 *
 * The key and the body are kept before anything is sent, and until the outcome is known: a second click, a lost
 * answer, a reload or a new sign-in all send the same key with the same body, so there is never a second order.
 */

import { basket, emptyBasket } from "./basket.js";
import { forget, keep, kept } from "./keep.js";
import { api, session } from "./session.js";
import { pause, signal } from "./signal.js";

const TRIES = 5;
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 15_000;

/**
 * The order under way, or null: {user, key, body, phase, unknown, order_id?, problem?, seconds?}.
 *
 * phase: sending, again (will be sent again in `seconds`), stuck (the buyer says when to send it again),
 * undecided (the shop has it as `order_id`). `unknown` once an answer was lost, so that it may have been placed.
 */
export const attempt = signal(null);

/** Why the last order was refused, and the basket it was: {refusal: {code, detail}, basket} or null. */
export const outcome = signal(null);

let run = null;

/** Takes up the order that was under way when the user left, and sends it again. */
export function resumeAttempt(onOrder) {
  run?.abort();
  run = null;
  outcome.set(null);
  attempt.set((session.value && kept(nameOf(session.value.user))) || null);
  if (attempt.value && attempt.value.phase !== "undecided") place(null, onOrder);
}

/** Sends the order; while one is under way, that one and no other. `onOrder` hears of the order the shop has made. */
export async function place(body, onOrder) {
  if (run) return;
  const mine = new AbortController();
  run = mine;
  try {
    outcome.set(null);
    if (!attempt.value) put({ user: session.value.user, key: newKey(), body, unknown: false, phase: "sending" });
    await send(onOrder, mine.signal);
  } finally {
    if (run === mine) run = null;
  }
}

/** Lets go of an order of which the shop has said that nothing was done. */
export function abandon() {
  if (attempt.value?.phase === "stuck" && !attempt.value.unknown) drop();
}

/** An order was looked at: if it is the one under way and decided, the basket learns what came of it. */
export function settle(order) {
  if (attempt.value?.order_id !== order.order_id || order.decision === "") return;
  drop();
  if (order.decision === "confirmed") emptyBasket();
  else refuse({ code: order.decision, detail: "" });
}

async function send(onOrder, life) {
  for (let tried = 1; !life.aborted; tried += 1) {
    put({ ...attempt.value, phase: "sending" });
    try {
      const headers = { "Idempotency-Key": attempt.value.key };
      const answer = await api.call("POST", "/api/orders", { body: attempt.value.body, headers, life });
      return placed(answer.status, answer.body, onOrder);
    } catch (problem) {
      // Without a session the order stays kept, and is sent again after the next sign-in.
      if (life.aborted || !session.value) return;
      if (problem.nothingDone && problem.status !== 503) return refused(problem);
      if (!(await waited(problem, tried, life))) return;
    }
  }
}

function placed(status, order, onOrder) {
  put({ ...attempt.value, phase: "undecided", order_id: order.order_id });
  if (status !== 202) settle({ ...order, decision: "confirmed" });
  onOrder(order);
}

function refused(problem) {
  drop();
  refuse(problem);
}

function refuse({ code, detail }) {
  outcome.set({ refusal: { code, detail }, basket: basket.value });
}

/** Waits before the next try; false when it is given up, visibly, until the buyer asks for it. */
async function waited(problem, tried, life) {
  const unknown = attempt.value.unknown || !problem.nothingDone;
  const now = { ...attempt.value, unknown, problem: { code: problem.code, detail: problem.detail } };
  if (tried >= TRIES) {
    put({ ...now, phase: "stuck" });
    return false;
  }
  const grown = Math.min(FIRST_PAUSE * 2 ** (tried - 1), LONGEST_PAUSE);
  for (let seconds = Math.max(problem.retryAfter, grown / 1000); seconds > 0; seconds -= 1) {
    put({ ...now, phase: "again", seconds });
    if (!(await pause(1000, life))) return false;
  }
  return true;
}

function put(value) {
  keep(nameOf(value.user), value);
  attempt.set(value);
}

function drop() {
  forget(nameOf(attempt.value.user));
  attempt.set(null);
}

function nameOf(user) {
  return `attempt.${user}`;
}

function newKey() {
  // Not randomUUID: a browser has that on https and on this machine only.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `web-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
