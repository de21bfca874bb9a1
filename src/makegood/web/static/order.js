/** One order: where it stands, live; what it holds; and what its buyer can do now. */

import { catalogue, refreshGoods, titleOf } from "./catalogue.js";
import { focusOn, h, notice, part, say, setText } from "./dom.js";
import { follow } from "./feed.js";
import { refreshMe } from "./me.js";
import { actions, isClosing } from "./orderactions.js";
import { feedOf, historyOf, linesOf, standingOf } from "./orderparts.js";
import { openedPayment, paymentPanel } from "./payment.js";
import { settle } from "./placing.js";
import { api } from "./session.js";
import { pause } from "./signal.js";
import { sentence, standing } from "./words.js";

/** Shows the order in `main` until `life` ends. */
export function showOrder(main, orderId, life) {
  const state = { order: null, feed: "opening", problem: null, payProblem: null };
  const title = h("h1", { tabindex: "-1" }, "Your order");
  const parts = {
    trouble: part("div", {}, (problem) => problem && notice("bad", sentence(problem))),
    standing: part("section", { class: "card", "aria-label": "Status" }, standingOf),
    pay: card("pay-title", (what) => paymentPanel(what, { again: show, onProblem })),
    lines: card("lines-title", linesOf),
    history: card("history-title", historyOf),
    actions: part("div", { class: "row actions" }, (order) => actions(order, show, changed)),
    live: part("p", { class: "live" }, (feed) => feedOf(feed, connect)),
  };
  main.replaceChildren(h("div", { class: "order" },
    h("p", {}, h("a", { href: "#/orders", class: "back" }, "← All orders")),
    h("div", { class: "row between" }, title, parts.live.element), parts.trouble.element,
    h("div", { class: "columns" }, h("div", {}, parts.standing.element, parts.pay.element, parts.lines.element),
      h("div", {}, parts.history.element, parts.actions.element))));
  focusOn(title);
  catalogue.watch(show, life);
  connect();

  function show() {
    const { order, feed } = state;
    parts.live.show(feed);
    parts.trouble.show(state.problem && { code: state.problem.code, detail: state.problem.detail });
    if (!order) return;
    setText(title, `Order ${order.order_id}`);
    parts.standing.show(order);
    const problem = state.payProblem && { ...state.payProblem, nothingDone: state.payProblem.nothingDone };
    parts.pay.show({ order, state: feed, payment: openedPayment(order), problem, closing: isClosing(order) });
    parts.lines.show({ order, titles: order.lines.map(({ sku }) => titleOf(sku)) });
    parts.history.show(order);
    parts.actions.show({ ...order, closing: isClosing(order) });
  }

  function onProblem(problem) {
    state.payProblem = problem;
    if (problem?.code === "not_payable") look().catch(() => {});
  }

  /** Shows the order as it is now, and says what is new. */
  function changed(order) {
    if (order.changes.length < (state.order?.changes.length ?? 0)) return; // an older answer that came late
    const before = state.order && standing(state.order)[1];
    state.order = order;
    state.problem = null;
    settle(order);
    show();
    if (before && before !== standing(order)[1]) {
      say(`The order is now: ${standing(order)[1]}.`);
      learnBalance();
    }
  }

  /** Looks twice: points and returned balance follow an order's change by message. */
  async function learnBalance() {
    await refreshMe(life);
    if (await pause(2_000, life)) await refreshMe(life);
  }

  async function look() {
    changed(await api.get(`/api/orders/${orderId}`, { life }));
  }

  async function connect() {
    onState("opening");
    if (!(await firstLook())) return;
    const missing = state.order.lines.map(({ sku }) => sku).filter((sku) => titleOf(sku) === sku);
    if (missing.length > 0) refreshGoods(life, missing.slice(0, 20));
    await follow(orderId, state.order.changes.length, { onChange: look, onState, life });
  }

  async function firstLook() {
    for (const wait of [500, 1000, 2000, 4000, 0]) {
      try {
        await look();
        return true;
      } catch (problem) {
        if (life.aborted) return false;
        state.problem = problem;
        if ((problem.nothingDone && problem.status !== 503) || wait === 0) break;
        show();
        await pause(Math.max(wait, problem.retryAfter * 1000), life);
      }
    }
    onState(state.problem.status === 404 ? "none" : "lost");
    return false;
  }

  function onState(feed) {
    state.feed = feed;
    show();
  }
}

function card(title, build) {
  return part("section", { class: "card", "aria-labelledby": title }, build);
}
