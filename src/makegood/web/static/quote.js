/** What the basket would cost, asked of the shop while the buyer types. */

import { basket } from "./basket.js";
import { api, session } from "./session.js";
import { pause, signal } from "./signal.js";

const DEBOUNCE = 250;
const TRIES = 4;

/**
 * {phase, asked, amounts?, problem?}. phase: empty, waiting, ready, refused (the shop said why not),
 * failed (no quote could be had). `asked` is the question it answers, as text.
 */
export const quote = signal({ phase: "empty", asked: "" });

let current = null;

/** Asks whenever the question has changed, until `life` ends. */
export function quoteLive(life) {
  basket.watch(() => ask(), life);
  life.addEventListener("abort", none, { once: true });
}

/** Asks, unless the answer to this very question is known or on its way; `anew` asks anyway. */
export function ask(anew = false) {
  const question = questionOf(basket.value);
  if (!session.value || basket.value.lines.length === 0) return none();
  if (!anew && quote.value.asked === question && quote.value.phase !== "failed") return quote.set(quote.value);
  current?.abort();
  current = new AbortController();
  quote.set({ phase: "waiting", asked: question, amounts: quote.value.amounts });
  return answered(question, current.signal);
}

/** Whether the amounts shown are those of the basket as it is now. */
export function isCurrent() {
  return quote.value.phase === "ready" && quote.value.asked === questionOf(basket.value);
}

async function answered(question, life) {
  if (!(await pause(DEBOUNCE, life))) return;
  for (let tried = 1; ; tried += 1) {
    try {
      const amounts = await api.post("/api/quotes", JSON.parse(question), { life });
      return quote.set({ phase: "ready", asked: question, amounts });
    } catch (problem) {
      if (life.aborted || problem.status === 401) return;
      if (problem.nothingDone && problem.status !== 503) {
        return quote.set({ phase: "refused", asked: question, problem });
      }
      if (tried >= TRIES) return quote.set({ phase: "failed", asked: question, problem });
      if (!(await pause(Math.max(problem.retryAfter * 1000, 500 * 2 ** tried), life))) return;
    }
  }
}

function none() {
  current?.abort();
  quote.set({ phase: "empty", asked: "" });
}

function questionOf({ lines, coupon_id, balance }) {
  const wanted = lines.map(({ sku, quantity }) => ({ sku, quantity }));
  return JSON.stringify({ lines: wanted, coupon_id, balance });
}
