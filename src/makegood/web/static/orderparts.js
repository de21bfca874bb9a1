/** The parts of an order's page that only show. */

import { artwork } from "./artwork.js";
import { button, h, moment, notice } from "./dom.js";
import { yuan } from "./money.js";
import { reason, sentence, standing } from "./words.js";

const FEED = {
  opening: "Connecting…",
  live: "Live: this page shows every change by itself.",
  again: "The connection was lost. Connecting again…",
  lost: "Not live: the connection could not be made again.",
  over: "This order is final.",
};

/** Whether the page hears of changes; when it gave up, a button begins anew. */
export function feedOf(feed, connect) {
  if (feed === "none") return [];
  return [
    h("span", { class: `dot ${feed}`, "aria-hidden": "true" }),
    h("span", { role: "status", id: "feed" }, FEED[feed]),
    feed === "lost" && button("Connect again", connect, { class: "quiet small" }),
  ];
}

/** Where the order stands, and what that means for the buyer. */
export function standingOf(order) {
  const [kind, words] = standing(order);
  return [
    h("div", { class: "row between" },
      h("p", { class: `badge big ${kind}`, id: "standing" }, words),
      h("p", { class: "soft" }, moment(order.created_at))),
    steps(order),
    explained(order),
  ];
}

function steps(order) {
  if (order.status === "CANCELLED" || ["REFUNDING", "REFUNDED"].includes(order.payment_status)) return null;
  const steps = [
    ["Placed", true],
    ["Confirmed", order.decision === "confirmed"],
    ["Paid", order.payment_status === "PAID"],
    ["Shipped", order.shipping_status !== "UNSHIPPED"],
    ["Received", order.shipping_status === "RECEIVED"],
  ];
  return h("ol", { class: "steps", "aria-label": "Progress" }, steps.map(([name, done]) =>
    h("li", { class: done ? "done" : "" }, name, h("span", { class: "hidden" }, done ? " (done)" : " (not yet)"))));
}

function explained(order) {
  if (order.status === "OPEN") {
    return notice("warn", "We are still deciding about your order. It will be decided in a few seconds; " +
      "please do not order again.");
  }
  if (order.status === "CANCELLED" && order.decision !== "confirmed") {
    return notice("bad", sentence({ code: order.decision }), h("a", { href: "#/" }, "Back to the basket"));
  }
  if (order.payment_status === "REFUNDING") return notice("plain", "Your money is on its way back to you.");
  if (order.payment_status === "REFUNDED") return notice("good", "Your money has been given back.");
  if (order.status === "CANCELLED") {
    return notice("plain", "This order was cancelled. What it had taken of your balance and coupons is put back.");
  }
  return null;
}

/** What it holds and costs. */
export function linesOf({ order, titles }) {
  const number = { class: "number" };
  const each = { class: "number each-price" };
  const head = [["Goods", {}], ["Quantity", number], ["Each", each], ["Sum", number]].map(([name, look]) =>
    h("th", { scope: "col", ...look }, name));
  const rows = order.lines.map((line, place) => h("tr", {},
    h("td", {}, h("div", { class: "item" }, h("span", { class: "thumb" }, artwork(line.sku)), titles[place])),
    h("td", number, line.quantity.toLocaleString()),
    h("td", each, yuan(line.unit_price)),
    h("td", number, yuan(line.quantity * line.unit_price))));
  return [
    h("h2", { id: "lines-title" }, "What it holds"),
    h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))),
    sums(order),
  ];
}

function sums(order) {
  const rows = [["Goods", order.goods_amount], ["Coupon", -order.discount], ["Shipping", order.shipping_fee],
    ["Balance", -order.balance]];
  return h("dl", { class: "totals" },
    rows.filter(([, fen]) => fen !== 0).flatMap(([name, fen]) => [h("dt", {}, name), h("dd", {}, yuan(fen))]),
    h("dt", { class: "due" }, isToPay(order) ? "To pay" : "By payment"),
    h("dd", { class: "due", id: "amount-due" }, yuan(order.amount_due)));
}

function isToPay(order) {
  return order.payment_status === "UNPAID" && order.status !== "CANCELLED";
}

/** What happened, the newest first. */
export function historyOf(order) {
  const entries = [...order.changes].reverse().map((change) => h("li", {},
    h("span", {}, reason(change.why)),
    h("span", { class: "soft small" }, moment(change.at, { dateStyle: "short", timeStyle: "medium" }))));
  return [h("h2", { id: "history-title" }, "Timeline"), h("ol", { class: "history", reversed: true }, entries)];
}
