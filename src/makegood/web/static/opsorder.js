/** What operators do for one order, and what only a person can settle. */

import { page } from "./api.js";
import { confirmed, h, moment, notice, part, say, workButton } from "./dom.js";
import { yuan } from "./money.js";
import { opsSentence, section, table } from "./opsparts.js";
import { standing } from "./words.js";

const MONEY = ["amount", "captured", "refunded"];
const PAGE = 50;

/** An order by its id: all that every service knows about it, and shipping it. */
export function orderSection(api, life) {
  const field = h("input", {
    id: "order-id", inputmode: "numeric", pattern: "[0-9]{1,19}", required: true, autocomplete: "off",
    placeholder: "Order id",
  });
  const trouble = part("div", {}, (problem) => problem && notice("bad", opsSentence(problem)));
  const shown = part("div", { class: "stack" }, (found) => found && orderOf(found, ship));
  const submit = (event) => {
    event.preventDefault();
    look(field.value.trim());
  };
  const form = h("form", { class: "row", on: { submit } }, h("label", { for: "order-id", class: "hidden" }, "Order id"),
    field, h("button", { type: "submit", class: "primary" }, "Show"));
  return section("order", "Order", form, trouble.element, shown.element);

  async function look(id) {
    try {
      trouble.show(null);
      shown.show(await api.get(`/api/ops/orders/${id}/timeline`, { life }));
    } catch (problem) {
      shown.show(null);
      if (!life.aborted) trouble.show(problem);
    }
  }

  async function ship(order) {
    const explanation = "Its buyer is told that the goods are on their way.";
    if (!(await confirmed(`Ship order ${order.order_id}?`, explanation, "Ship it"))) return;
    try {
      await api.post(`/api/ops/orders/${order.order_id}/ship`, undefined, { life });
      say("The order is shipped.");
      await look(order.order_id);
    } catch (problem) {
      if (!life.aborted) trouble.show(problem);
    }
  }
}

function orderOf({ order, moments, missing }, ship) {
  return [
    missing.length > 0 && notice("warn", `No answer from ${missing.join(", ")}: what they know is missing here.`),
    order && summary(order, ship),
    h("ol", { class: "timeline" }, moments.map((one) => h("li", {},
      h("p", {}, h("span", { class: `source ${one.source}` }, one.source), " ", h("strong", {}, one.what)),
      h("p", { class: "soft small" }, moment(one.at, { dateStyle: "short", timeStyle: "medium" })),
      detailOf(one.detail)))),
  ];
}

function summary(order, ship) {
  const [kind, words] = standing(order);
  const paid = order.status === "CONFIRMED" && order.payment_status === "PAID";
  const canShip = paid && order.shipping_status === "UNSHIPPED";
  const sums = ` ${yuan(order.amount_due)} by payment, ${yuan(order.balance)} by balance`;
  return h("div", { class: "row between" },
    h("p", {}, h("span", { class: `badge ${kind}` }, words), sums),
    canShip && workButton("Ship", "Shipping…", () => ship(order), { class: "primary" }));
}

function detailOf(detail) {
  const entries = Object.entries(detail).filter(([, value]) => value !== null && value !== "");
  return h("dl", { class: "detail small" }, entries.flatMap(([name, value]) =>
    [h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, MONEY.includes(name) ? yuan(value) : asText(value))]));
}

function asText(value) {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Differences to the platforms, and callbacks nobody should believe. */
export function settleSection(api, life) {
  const state = { breaks: [], notices: [], looked: false };
  const trouble = part("div", {}, (problem) => problem && notice("bad", opsSentence(problem)));
  const shown = part("div", { class: "stack" }, settleOf);
  const refresh = workButton("Refresh", "Looking…", look, { class: "quiet" });
  look();
  return section("settle", "To settle by a person", refresh, trouble.element, shown.element);

  async function look() {
    try {
      const [breaks, refused] = await Promise.all([
        api.get(page("/api/ops/breaks", PAGE, null), { life }),
        api.get(page("/api/ops/refused-notices", PAGE, null), { life }),
      ]);
      Object.assign(state, { breaks: breaks.breaks, notices: refused.notices, looked: true });
      trouble.show(null);
    } catch (problem) {
      if (!life.aborted) trouble.show(problem);
    }
    shown.show({ ...state });
  }
}

function settleOf({ breaks, notices, looked }) {
  if (!looked) return h("p", { class: "soft" }, "Looking…");
  const differences = breaks.map((one) =>
    [moment(one.at), one.kind.replaceAll("_", " "), one.channel, one.number, yuan(one.amount), one.detail]);
  const callbacks = notices.map((one) => [moment(one.at), one.reason.replaceAll("_", " "), one.channel, one.detail]);
  return [
    h("h3", {}, "Differences to the platforms"),
    none(differences) ?? scrolling(["When", "What", "Channel", "Number", "Amount", "Detail"], differences),
    h("h3", {}, "Refused callbacks"),
    none(callbacks) ?? scrolling(["When", "Why", "Channel", "Detail"], callbacks),
  ];
}

function scrolling(names, rows) {
  return h("div", { class: "scroll" }, table(names, rows));
}

function none(rows) {
  return rows.length === 0 ? h("p", { class: "soft" }, "There are none.") : null;
}
