/** The basket's panel: lines, coupon, balance, the live quote, and placing the order. */

import { basketPicture } from "./artwork.js";
import { balanceChoice } from "./balance.js";
import { agreeToPrices, basket, changedPrices, chooseBalance, chooseCoupon, goodsAmount, pieces } from "./basket.js";
import { catalogue, refreshGoods } from "./catalogue.js";
import { couponChoice } from "./coupons.js";
import { button, focusOn, h, notice, part, say, setText, workButton } from "./dom.js";
import { skusOfBasket } from "./goods.js";
import { basketLines, linesInTheWay } from "./lines.js";
import { me, refreshMe } from "./me.js";
import { yuan } from "./money.js";
import { attempt, outcome, place, settle } from "./placing.js";
import { countDown, progress } from "./progress.js";
import { ask, isCurrent, quote, quoteLive } from "./quote.js";
import { api } from "./session.js";
import { repeat } from "./signal.js";
import { sentence } from "./words.js";

const LOOK = 2_000;

/** The panel; `onOrder` hears of an order that was placed. */
export function checkoutSection(life, onOrder) {
  const title = h("h2", { id: "basket-title", tabindex: "-1" });
  const empty = h("div", { class: "nothing" }, basketPicture(),
    h("p", {}, h("strong", {}, "Your basket is empty")), h("p", { class: "soft small" }, "Add something you like."));
  const totals = part("dl", { class: "totals", "aria-live": "polite", "aria-label": "Amounts" }, totalsOf);
  const trouble = part("div", {}, (what) => what && refused(what, life));
  const under = part("div", {}, (what) => what && progress(what, onOrder));
  const why = h("p", { class: "hint", id: "place-hint" });
  const look = { class: "primary wide", id: "place", "aria-describedby": "place-hint" };
  const order = h("button", { type: "submit", ...look }, "Place order");
  const form = h("form", { novalidate: true, on: { submit: (event) => submitted(event, form, onOrder) } },
    basketLines(life), couponChoice(life), balanceChoice(life),
    h("div", { class: "settle" }, totals.element, trouble.element, order, why));
  const show = () => {
    const count = pieces();
    setText(title, count ? `Basket (${count.toLocaleString()})` : "Basket");
    empty.hidden = count > 0 || attempt.value !== null;
    form.hidden = count === 0;
    totals.show({ ...quote.value, problem: null });
    trouble.show(attempt.value ? null : troubleNow());
    under.show(attempt.value && { ...attempt.value, seconds: 0 });
    countDown(under.element, attempt.value);
    order.hidden = attempt.value !== null;
    const reason = whyNot();
    order.setAttribute("aria-disabled", String(reason !== ""));
    setText(why, reason);
    setText(order, isCurrent() ? `Place order · ${leftToPay()}` : "Place order");
  };
  quoteLive(life);
  for (const state of [basket, catalogue, me, quote, attempt, outcome]) state.watch(show, life);
  quote.watch(() => freshen(life), life);
  outcome.watch(() => outcome.value && afterRefusal(life), life);
  repeat(LOOK, () => lookAtUndecided(life), life);
  return h("section", { class: "card checkout", id: "basket", "aria-labelledby": "basket-title" },
    title, under.element, empty, form);
}

function totalsOf({ phase, amounts }) {
  if (!amounts) return phase === "waiting" ? [h("dt", {}, "Calculating…"), h("dd", {})] : [];
  const rows = [["Goods", amounts.goods_amount], ["Coupon", -amounts.discount], ["Shipping", amounts.shipping_fee],
    ["Balance", -amounts.balance]];
  const shown = rows.filter(([name, fen]) => fen !== 0 || name === "Goods" || name === "Shipping");
  return [
    ...shown.flatMap(([name, fen]) =>
      [h("dt", {}, name), h("dd", {}, fen === 0 && name === "Shipping" ? "Free" : yuan(fen))]),
    h("dt", { class: "due" }, "To pay"),
    h("dd", { class: "due", id: "amount-due" }, phase === "ready" ? yuan(amounts.amount_due) : "…"),
  ];
}

function leftToPay() {
  const { amount_due } = quote.value.amounts;
  return amount_due === 0 ? "nothing left to pay" : `${yuan(amount_due)} to pay`;
}

/** Why the order cannot be placed right now; empty when it can. */
function whyNot() {
  if (attempt.value) return "";
  if (changedPrices().length > 0) return "Please agree to the new prices first.";
  if (linesInTheWay()) return "Please look at the lines marked above first.";
  if (quote.value.phase === "waiting") return "Calculating…";
  return isCurrent() ? "" : "The amount is not known yet.";
}

/** What stands in the way: prices that changed, a refused order, a refused quote, or no quote at all. */
function troubleNow() {
  const changed = changedPrices().map(({ sku }) => sku);
  if (changed.length > 0) return { code: "price_changed", changed };
  const refusal = outcome.value?.basket === basket.value ? outcome.value.refusal : null;
  const problem = refusal ?? quote.value.problem;
  return problem ? { code: problem.code, detail: problem.detail ?? "", phase: quote.value.phase } : null;
}

function refused(problem, life) {
  const { coupon_id, balance } = basket.value;
  const acts = {
    price_changed: () => problem.changed && button("Agree to the new prices", agree, { class: "primary" }),
    coupon_unusable: () => coupon_id && button("Go on without the coupon", () => chooseCoupon(null)),
    insufficient_balance: () => balance !== null && button("Use as much as I have", () => chooseBalance(null)),
    unknown_sku: () => workButton("Look again", "Looking…", () => refreshGoods(life, skusOfBasket())),
    key_reused: () => h("a", { href: "#/orders" }, "Look at your orders"),
  };
  const failed = problem.phase === "failed";
  const act = failed ? workButton("Ask again", "Asking…", () => ask(true)) : acts[problem.code]?.();
  return notice("bad", sentence(problem), act || null);
}

function agree() {
  agreeToPrices();
  outcome.set(null);
}

/** A quote that does not match the prices seen means that they are old. */
function freshen(life) {
  if (!isCurrent() || changedPrices().length > 0) return;
  if (goodsAmount() !== quote.value.amounts.goods_amount) refreshGoods(life, skusOfBasket());
}

/** After a refusal what the page shows is out of date. */
async function afterRefusal(life) {
  await Promise.allSettled([refreshGoods(life, skusOfBasket()), refreshMe(life)]);
  ask(true);
}

function submitted(event, form, onOrder) {
  event.preventDefault();
  if (attempt.value || whyNot() !== "" || !form.reportValidity()) return;
  const { shipping_fee, balance, amount_due } = quote.value.amounts;
  const { lines, coupon_id } = basket.value;
  place({ lines, coupon_id, balance, shipping_fee, amount_due }, onOrder).catch((problem) => say(sentence(problem)));
  focusOn(document.getElementById("basket-title"));
}

/** While the shop decides, the basket waits; once decided it is emptied, or the refusal is told. */
async function lookAtUndecided(life) {
  if (attempt.value?.phase !== "undecided") return;
  try {
    settle(await api.get(`/api/orders/${attempt.value.order_id}`, { life }));
  } catch {
    // The next look comes in two seconds; nothing is offered meanwhile.
  }
}
