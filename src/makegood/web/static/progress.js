/** An order under way: what is known about it, and what the buyer can do, which is never to place a second one. */

import { button, h, notice, setText, workButton } from "./dom.js";
import { abandon, place } from "./placing.js";
import { sentence } from "./words.js";

/** A notice about the attempt of `placing`. */
export function progress(attempt, onOrder) {
  switch (attempt.phase) {
    case "sending":
      return notice("plain", "Placing your order…", h("div", { class: "spinner", "aria-hidden": "true" }));
    case "again":
      return notice("warn", `${told(attempt)} Asking again by itself.`,
        h("p", { class: "countdown soft small", "aria-hidden": "true" }));
    case "undecided":
      return notice("warn", "We are still deciding about your order. It will be decided in a few seconds.",
        h("a", { href: `#/orders/${attempt.order_id}` }, "Look at the order"));
    default:
      return stuck(attempt, onOrder);
  }
}

/** Says how long until the next try, to the eye only: a screen reader has heard that there will be one. */
export function countDown(element, attempt) {
  const shown = element.querySelector(".countdown");
  if (shown && attempt?.phase === "again") setText(shown, `In ${Math.ceil(attempt.seconds)} s`);
}

function stuck(attempt, onOrder) {
  const again = workButton("Ask again", "Asking…", () => place(null, onOrder), { class: "primary" });
  if (!attempt.unknown) {
    return notice("bad", `${told(attempt)} Please try again in a moment.`,
      h("div", { class: "row" }, again, button("Change the basket", abandon, { class: "quiet" })));
  }
  return notice("bad", `${told(attempt)} Asking again is safe: it is the same order, there cannot be a second one.`,
    h("div", { class: "row" }, again, h("a", { href: "#/orders" }, "Look at your orders")));
}

function told(attempt) {
  if (attempt.unknown) return "We do not know yet whether your order was placed.";
  return sentence(attempt.problem);
}
