/** The user's orders, the newest first. */

import { page } from "./api.js";
import { artwork, basketPicture } from "./artwork.js";
import { catalogue, refreshGoods, titleOf } from "./catalogue.js";
import { focusOn, h, moment, notice, part, workButton } from "./dom.js";
import { yuan } from "./money.js";
import { api } from "./session.js";
import { sentence, standing } from "./words.js";

const PAGE = 20;

/** Shows the list in `main` until `life` ends. */
export function showOrders(main, life) {
  const state = { orders: [], next: null, looked: false, problem: null };
  const title = h("h1", { tabindex: "-1" }, "Your orders");
  const trouble = part("div", {}, (problem) => problem && notice("bad", sentence(problem)));
  const list = part("div", {}, listOf);
  const more = workButton("Show more", "Looking…", () => look(state.next), { class: "quiet wide" });
  const refresh = workButton("Refresh", "Looking…", () => look(null), { class: "quiet" });
  main.replaceChildren(h("div", { class: "all-orders" },
    h("div", { class: "row between" }, title, refresh), trouble.element, list.element, more));
  focusOn(title);
  catalogue.watch(show, life);
  if (!catalogue.value.at) refreshGoods(life);
  look(null);

  function show() {
    trouble.show(state.problem && { code: state.problem.code, detail: state.problem.detail });
    list.show({ ...state, titles: state.orders.map(contents) });
    more.hidden = state.next === null;
  }

  async function look(after) {
    try {
      const found = await api.get(page("/api/orders", PAGE, after), { life });
      state.orders = after ? [...state.orders, ...found.orders] : found.orders;
      Object.assign(state, { next: found.next, looked: true, problem: null });
    } catch (problem) {
      if (life.aborted) return;
      state.problem = problem;
    }
    show();
  }
}

function listOf({ orders, titles, looked, problem }) {
  if (!looked) return problem ? null : h("p", { class: "loading" }, "Looking…");
  if (orders.length === 0) {
    return h("div", { class: "card nothing" }, basketPicture(),
      h("p", {}, h("strong", {}, "You have not ordered anything yet")),
      h("a", { href: "#/", class: "button primary" }, "Look at the goods"));
  }
  return h("ul", { class: "orders" }, orders.map((order, place) => entry(order, titles[place])));
}

function entry(order, what) {
  const [kind, words] = standing(order);
  return h("li", { class: "card" },
    h("a", { href: `#/orders/${order.order_id}`, class: "entry" },
      h("span", { class: "thumb" }, artwork(order.lines[0].sku)),
      h("span", { class: "what" }, what),
      h("span", { class: "soft small" }, `Order ${order.order_id} · `, moment(order.created_at)),
      h("span", { class: `badge ${kind}` }, words),
      h("span", { class: "sum" }, yuan(order.goods_amount - order.discount + order.shipping_fee))));
}

function contents(order) {
  const [first, ...others] = order.lines;
  const name = `${titleOf(first.sku)}${first.quantity > 1 ? ` × ${first.quantity.toLocaleString()}` : ""}`;
  return others.length === 0 ? name : `${name} and ${others.length} more`;
}
