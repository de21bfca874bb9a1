/** The choice of a coupon: those that can be used for this basket, and of the others why not. */

import { basket, chooseCoupon, goodsAmount } from "./basket.js";
import { h, moment, setChildren, setText } from "./dom.js";
import { me } from "./me.js";
import { yuan } from "./money.js";
import { attempt } from "./placing.js";

/** The coupons as radio buttons; they stay the same elements while one moves between them. */
export function couponChoice(life) {
  const list = h("div", { class: "coupons" });
  const options = new Map([["", option({ coupon_id: "", words: "No coupon" })]]);
  const show = () => {
    const coupons = held();
    for (const coupon of coupons) {
      if (!options.has(coupon.coupon_id)) options.set(coupon.coupon_id, option(couponWords(coupon)));
    }
    for (const coupon of [{ coupon_id: "" }, ...coupons]) options.get(coupon.coupon_id).show(coupon);
    setChildren(list, ["", ...coupons.map(({ coupon_id }) => coupon_id)].map((id) => options.get(id).element));
    element.hidden = coupons.length === 0;
  };
  const element = h("fieldset", { class: "field" }, h("legend", {}, "Coupon"), list);
  for (const state of [me, basket, attempt]) state.watch(show, life);
  return element;
}

/** The user's coupons, and the chosen one even when it is not theirs any more; in an order that does not change. */
function held() {
  const coupons = [...(me.value?.coupons ?? [])];
  const chosen = basket.value.coupon_id;
  if (chosen && me.value && !coupons.some(({ coupon_id }) => coupon_id === chosen)) {
    coupons.push({ coupon_id: chosen, gone: true });
  }
  return coupons.sort((one, other) => (one.minimum ?? 0) - (other.minimum ?? 0));
}

function couponWords({ coupon_id, value, minimum, valid_until, gone }) {
  if (gone) return { coupon_id, words: coupon_id };
  const day = { dateStyle: "medium" };
  const about = [minimum > 0 ? `From ${yuan(minimum)}, until ` : "Until ", moment(valid_until, day)];
  return { coupon_id, words: `${yuan(value)} off`, about };
}

function option({ coupon_id, words, about = [] }) {
  const on = { change: () => chooseCoupon(coupon_id || null) };
  const radio = h("input", { type: "radio", name: "coupon", value: coupon_id, on });
  const usable = h("span", { class: "hint", hidden: about.length === 0 }, ...about);
  const why = h("span", { class: "hint warn", hidden: true });
  const said = h("span", { class: "words" }, h("strong", {}, words), usable, why);
  const element = h("label", { class: "coupon" }, radio, said);
  return { element, show: (coupon) => showOption(coupon, { element, radio, usable, why }) };
}

function showOption(coupon, { element, radio, usable, why }) {
  const reason = coupon.coupon_id === "" ? "" : whyNot(coupon);
  radio.checked = (basket.value.coupon_id ?? "") === coupon.coupon_id;
  radio.disabled = attempt.value !== null || reason !== "";
  element.classList.toggle("off", reason !== "");
  setText(why, reason);
  why.hidden = reason === "";
  usable.hidden = reason !== "" || usable.textContent === "";
}

/** Why this coupon cannot be used for the basket as it is; empty when it can. */
function whyNot({ minimum, valid_until, gone }) {
  if (gone) return "It was used, or has ended.";
  if (Date.parse(valid_until) <= Date.now()) return "It has ended.";
  const missing = minimum - goodsAmount();
  return missing > 0 ? `From ${yuan(minimum)}: add goods worth ${yuan(missing)} to use it.` : "";
}
