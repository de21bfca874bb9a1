/** How much of the balance to use. */

import { basket, chooseBalance } from "./basket.js";
import { h, setText } from "./dom.js";
import { me } from "./me.js";
import { fenOf, plainYuan, yuan } from "./money.js";
import { attempt } from "./placing.js";
import { quote } from "./quote.js";

/** How much balance to use: a field, a slider, and "as much as possible", always in step with each other. */
export function balanceChoice(life) {
  const about = { autocomplete: "off", "aria-describedby": "balance-hint" };
  const field = h("input", { id: "balance", inputmode: "decimal", ...about });
  const slider = h("input", { type: "range", min: "0", step: "1", "aria-label": "Balance to use" });
  const most = h("input", { type: "checkbox", id: "balance-most" });
  const hint = h("p", { class: "hint", id: "balance-hint" });
  field.addEventListener("input", () => typed(field, hint));
  field.addEventListener("blur", () => show());
  slider.addEventListener("input", () => chooseBalance(Number(slider.value)));
  most.addEventListener("change", () => chooseBalance(most.checked ? null : used()));
  const show = () => showBalance({ field, slider, most, hint });
  for (const state of [me, basket, quote, attempt]) state.watch(show, life);
  return h("fieldset", { class: "field balance" }, h("legend", {}, "Balance to use"),
    h("div", { class: "row" },
      h("label", { for: "balance", class: "unit" }, "¥", h("span", { class: "hidden" }, " to use")), field,
      h("label", { class: "check" }, most, "As much as possible")),
    slider, hint);
}

function showBalance({ field, slider, most, hint }) {
  const chosen = basket.value.balance;
  const shown = chosen ?? used();
  most.checked = chosen === null;
  slider.max = String(Math.max(usable(), Math.min(shown, me.value?.balance ?? 0)));
  slider.value = String(shown);
  slider.setAttribute("aria-valuetext", yuan(Number(slider.value)));
  for (const control of [field, slider, most]) control.disabled = attempt.value !== null || !me.value;
  if (document.activeElement === field) return;
  field.value = plainYuan(shown);
  field.setCustomValidity("");
  field.removeAttribute("aria-invalid");
  setText(hint, hintFor(chosen));
}

function hintFor(chosen) {
  if (!me.value) return "Your balance is not known yet.";
  if (chosen > me.value.balance) return `You have ${yuan(me.value.balance)}.`;
  if (chosen > used() && quote.value.phase === "ready") return `Only ${yuan(used())} of it is needed.`;
  return `You have ${yuan(me.value.balance)}.`;
}

function typed(field, hint) {
  const fen = fenOf(field.value || "0");
  const wrong = fen === null ? "Give an amount such as 12.50." : tooMuch(fen);
  field.setCustomValidity(wrong);
  field.setAttribute("aria-invalid", String(wrong !== ""));
  setText(hint, wrong || hintFor(fen));
  if (!wrong) chooseBalance(fen);
}

function tooMuch(fen) {
  return me.value && fen > me.value.balance ? `You have ${yuan(me.value.balance)}.` : "";
}

/** Fen of the balance that the last quote would use. */
function used() {
  return quote.value.amounts?.balance ?? 0;
}

/** Fen of the balance that can be used for this basket. */
function usable() {
  const { amounts } = quote.value;
  return amounts ? Math.min(me.value?.balance ?? 0, amounts.balance + amounts.amount_due) : 0;
}
