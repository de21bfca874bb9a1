/** An order as operators see it: where it stands, its payments, and all that happened around it. */

import { button, h, notice, part, say, workButton } from "./dom.js";
import { yuan } from "./money.js";
import { badge, card, heading, opsSentence } from "./opsparts.js";
import { refundForm } from "./opsrefund.js";
import { timelineOf } from "./opstimeline.js";
import { pause } from "./signal.js";
import { standing } from "./words.js";

const FOLLOW = 1_000;
const FOLLOWED = 8;

export function orderView(api, _services, life) {
  let number = null;
  const field = h("input", {
    id: "order-id", inputmode: "numeric", pattern: "[0-9]{1,19}", required: true, autocomplete: "off",
    placeholder: "Order or payment number",
  });
  const trouble = part("div", {}, (problem) => problem && notice("bad", opsSentence(problem)));
  const summary = part("div", { class: "stack" }, (found) => found && summaryOf(found));
  const moments = part("div", {}, (found) => found && timelineOf(found));
  const form = h("form", { class: "row search", role: "search", on: { submit } },
    h("label", { for: "order-id", class: "hidden" }, "Order or payment number"), field,
    h("button", { type: "submit", class: "primary" }, "Show"));
  const refresh = workButton("Refresh", "Looking…", look, { class: "quiet", hidden: true });
  const element = h("div", { class: "view" },
    heading("Orders", "All that every service has stored about one order, in the order in which it happened.", form, refresh),
    trouble.element, summary.element, moments.element);
  return { element, shown };

  function submit(event) {
    event.preventDefault();
    const typed = field.value.trim();
    if (typed === number) look();
    else location.hash = `#/orders/${typed}`;
  }

  function shown(argument) {
    if (argument === null) {
      if (number !== null) history.replaceState(null, "", `#/orders/${number}`);
      return;
    }
    field.value = argument;
    if (argument !== number) show(null);
    number = argument;
    look();
  }

  async function look() {
    if (number === null) return;
    const asked = number;
    try {
      const found = await api.get(`/api/ops/orders/${encodeURIComponent(asked)}/timeline`, { life });
      if (asked !== number) return;
      trouble.show(null);
      show(found);
    } catch (problem) {
      if (life.aborted || asked !== number) return;
      trouble.show(problem);
      if (problem.code === "not_found") show(null);
    }
  }

  function show(found) {
    refresh.hidden = found === null;
    summary.show(found && { ...found, moments: [] });
    moments.show(found);
  }

  /** What follows from an action comes by message a little later. */
  async function follow() {
    for (let turn = 0; turn < FOLLOWED; turn += 1) {
      await look();
      if (!(await pause(FOLLOW, life))) return;
    }
  }

  function summaryOf({ order_id: id, user, order, payments, missing, complete }) {
    return [
      missing.length > 0 && notice("warn", `No answer from ${missing.join(", ")}: what they know is missing here.`),
      !complete && notice("warn", "There is more than is shown here: too many events are set aside to look through all."),
      order === null ? notice("warn", `Orders does not know ${id}; others do.`) : orderCard(order, user),
      payments.length > 0 && card("payments", "Payments", null, payments.map(paymentOf)),
    ];
  }

  function orderCard(order, user) {
    const [kind, words] = standing(order);
    const paid = order.status === "CONFIRMED" && order.payment_status === "PAID";
    const ship = paid && order.shipping_status === "UNSHIPPED"
      && workButton("Ship", "Shipping…", () => shipped(order), { class: "primary" });
    const facts = [["Buyer", user], ["Goods", yuan(order.goods_amount)], ["Shipping", yuan(order.shipping_fee)],
      ["Discount", order.coupon_id ? `${yuan(order.discount)} (${order.coupon_id})` : yuan(order.discount)],
      ["Balance used", yuan(order.balance)], ["By payment", yuan(order.amount_due)]];
    return card("order", `Order ${order.order_id}`, h("div", { class: "row" }, badge(`${kind} big`, words), ship),
      h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
      h("p", { class: "soft small" }, order.lines.map((line) => `${line.quantity} × ${line.sku} at ${yuan(line.unit_price)}`).join(", ")));
  }

  async function shipped(order) {
    try {
      await api.post(`/api/ops/orders/${order.order_id}/ship`, undefined, { life });
      say("The order is shipped.");
      await look();
    } catch (problem) {
      if (!life.aborted) trouble.show(problem);
    }
  }

  function paymentOf(payment) {
    const facts = [`${payment.channel}, ${yuan(payment.amount)}`, `captured ${yuan(payment.captured)}`,
      payment.refunded > 0 && `refunded ${yuan(payment.refunded)}`,
      payment.told_by && (payment.told_by === "notice" ? "told by the platform's callback" : "told when the platform was asked"),
      payment.asked > 0 && `the platform was asked ${payment.asked} times`];
    const refunding = payment.refundable > 0 && refundForm(api, payment, follow, life);
    const opener = refunding && button("Refund…", () => {
      refunding.hidden = !refunding.hidden;
      opener.setAttribute("aria-expanded", String(!refunding.hidden));
      refunding.querySelector("input").focus();
    }, { class: "quiet", "aria-expanded": "false" });
    return h("div", { class: "payment stack" },
      h("div", { class: "row between" },
        h("div", {}, h("p", {}, badge(payment.state === "PAID" ? "good" : "plain", payment.state.toLowerCase()), " ",
          h("strong", { class: "code" }, payment.payment_id)),
        h("p", { class: "soft small" }, facts.filter(Boolean).join(", "), payment.trade_no && `, trade ${payment.trade_no}`)), opener),
      refunding);
  }
}
