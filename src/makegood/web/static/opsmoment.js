/** A moment of an order in words. */

import { moment } from "./dom.js";
import { yuan } from "./money.js";
import { words } from "./opsparts.js";
import { reason } from "./words.js";

const WHEN = { dateStyle: "short", timeStyle: "medium" };
const MONEY = ["amount", "captured", "refunded", "ours", "theirs"];
const TIMES = ["next_at", "first_at", "occurred_at", "repeated_at", "published_at"];
const TEXTS = ["payload", "taken", "answer", "body"];
const SAID = { captured: "paid", closed: "closed", refund: "refunded", other: "in another state" };
const EFFECTS = {
  captured: "It made the payment paid.",
  closed: "It closed the payment.",
  refund: "The refund was looked up at the platform.",
  repeat: "We knew already: it changed nothing.",
  break: "It does not fit our payment, and is listed for a person to settle.",
  none: "It changed nothing.",
};

/** What stands out of a moment: [kind of badge, words], or null. */
export function verdictOf({ kind, what, detail }) {
  switch (kind) {
    case "callback": return detail.verified ? ["good", "✓ verified"] : ["bad", "✕ refused"];
    case "set-aside": return detail.next_at ? ["warn", "to be tried again"] : ["bad", "buried"];
    case "task": return taskVerdict(detail);
    case "settlement": return settlementVerdict(what, detail);
    case "operation": return what === "refused" ? ["bad", "✕ refused"] : what === "taken" ? ["good", "✓ agreed"] : null;
    default: return what === "refund failed" ? ["bad", "✕ failed"] : null;
  }
}

function taskVerdict({ running, next_at: next, error }) {
  if (running) return ["wait", "running"];
  if (!next) return ["bad", "given up"];
  return error ? ["warn", "to be tried again"] : ["wait", "waits"];
}

function settlementVerdict(what, { differences }) {
  switch (what) {
    case "bill done": return differences ? ["warn", "differs"] : ["good", "✓ no difference"];
    case "bill running": return ["wait", "under way"];
    case "bill failed": return ["bad", "✕ not compared"];
    default: return ["warn", "to settle"];
  }
}

/** One sentence for a moment; what it does not know it leaves to the details. */
export function sentenceOf(one) {
  const { kind, what, detail } = one;
  switch (kind) {
    case "callback": return callback(detail);
    case "event": return detail.published_at ? "" : "When it was published is not stored: this is when it was first heard.";
    case "set-aside": return `${times(detail.tries)} tried by the group ${detail.group}: ${detail.error}`;
    case "task": return task(detail);
    case "settlement": return settlement(what, detail);
    case "journal": return "The journal wrote the event down.";
    default: return SENTENCES[one.source]?.(what, detail) ?? what;
  }
}

function callback(detail) {
  if (!detail.verified) return `${detail.channel} or somebody else called; refused as ${words(detail.reason)}: ${detail.why}`;
  return `${detail.channel} said: ${SAID[detail.said] ?? detail.said}, ${yuan(detail.amount)}. ${EFFECTS[detail.effect] ?? ""}${again(detail.repeats)}`;
}

function again(repeats) {
  return repeats ? ` It came ${repeats === 1 ? "once" : times(repeats).toLowerCase()} more, without effect.` : "";
}

function settlement(what, detail) {
  if (what.startsWith("break ")) return `${detail.channel} says ${yuan(detail.amount)}; listed for a person to settle: ${detail.why}.`;
  const bill = `The bill of ${detail.date}`;
  const thing = detail.refund_id ? "refund" : "payment";
  switch (what) {
    case "bill done": return `${bill} was compared: ${detail.differences} of its lines differ, of all orders.`;
    case "bill running": return `${bill} is being compared${detail.why ? `: ${detail.why}` : "."}`;
    case "bill failed": return `${bill} was not compared to its end: ${detail.why}`;
    case "bill ours_only": return `${bill} does not have our ${thing} of ${yuan(detail.ours)}: ${detail.why}.`;
    case "bill theirs_only": return `${bill} has a ${thing} of ${yuan(detail.theirs)} that we do not have: ${detail.why}.`;
    default: return `${bill} has a ${thing} of ${yuan(detail.theirs)}, we have ${yuan(detail.ours)}: ${detail.why}.`;
  }
}

function task({ attempt, running, next_at: next, error }) {
  const runs = `${times(attempt)} run so far`;
  const failed = error ? `; the last failed: ${error}` : "";
  if (running) return `${runs}, one is under way${failed}.`;
  return next ? `${runs}${failed}.` : `${runs}; it waits for a person: ${error}`;
}

function times(count) {
  return { 0: "Not yet", 1: "Once", 2: "Twice" }[count] ?? `${count} times`;
}

const ORDERS = {
  placed: "The buyer placed it.",
  confirmed: "Everybody who was asked agreed: it stands.",
  paid: "Nothing is due any more.",
  shipped: "The goods have left.",
  received: "The buyer has them: it is completed.",
  refund_requested: "All that was paid is to be given back.",
  refunded: "All that was paid is back.",
};

const SENTENCES = {
  orders: (what) => ORDERS[what] ?? `${reason(what)}.`,
  stock: (what, detail) => participant(what, detail, "the goods"),
  coupons: (what, detail) => participant(what, detail, "the coupon"),
  accounts: (what, detail) => participant(what, detail, "the balance"),
  points: (_what, detail) => `${detail.points > 0 ? "+" : ""}${detail.points} points.`,
  payments: (what, detail) => payment(what, detail),
};

function participant(what, detail, thing) {
  switch (what) {
    case "taken": return `Agreed, and took ${thing}.`;
    case "refused": return `Refused: ${words(fieldOf(detail.answer, "refusal") || "see the answer")}.`;
    case "returned": return `Put ${thing} back.`;
    case "cancelled": return "Heard of the cancel: a later request for this order would be refused.";
    default: return what;
  }
}

function payment(what, detail) {
  switch (what) {
    case "opened": return `A payment of ${yuan(detail.amount)} was opened at ${detail.channel}.`;
    case "captured": return `${yuan(detail.captured)} captured${told(detail.told_by)}.`;
    case "closed": return "Nothing can be paid with it any more.";
    case "refund requested": return `${yuan(detail.amount)} to give back (${words(detail.reason)}).`;
    case "refund succeeded": return `${yuan(detail.amount)} given back.`;
    case "refund failed": return `${yuan(detail.amount)} could not be given back.`;
    default: return what;
  }
}

function told(by) {
  return { notice: ", as the callback said", query: ", as the platform said when asked" }[by] ?? "";
}

/** The rest of a moment: facts to read, and texts as they are stored. */
export function factsOf({ detail }) {
  const known = Object.entries(detail).filter(([, value]) => value !== null && value !== "" && !Array.isArray(value));
  const facts = known.filter(([name]) => !TEXTS.includes(name));
  return {
    facts: facts.map(([name, value]) => [words(name), fact(name, value)]),
    texts: known.filter(([name]) => TEXTS.includes(name)).map(([name, value]) => [words(name), value]),
  };
}

function fact(name, value) {
  if (MONEY.includes(name)) return yuan(value);
  if (TIMES.includes(name)) return moment(value, WHEN);
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

function fieldOf(text, name) {
  try {
    return JSON.parse(text)[name];
  } catch {
    return null;
  }
}
