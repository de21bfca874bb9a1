/** Refunding a part of a payment, or all of it: once, however often the button is pressed or an answer is lost. */

import { h, notice, say, workButton } from "./dom.js";
import { forget, keep, kept } from "./keep.js";
import { fenOf, plainYuan, yuan } from "./money.js";
import { opsSentence } from "./opsparts.js";

/** A form, hidden at first. Its key is kept until the shop has answered, so that asking again is the same refund. */
export function refundForm(api, payment, onRefunded, life) {
  const name = `refund.${payment.payment_id}`;
  const begun = kept(name);
  const field = h("input", { id: `amount-${payment.payment_id}`, inputmode: "decimal", autocomplete: "off", required: true,
    value: plainYuan(begun?.amount ?? payment.refundable), readonly: begun !== null });
  const trouble = h("div", {}, begun && notice("warn", unknown(begun.amount)));
  const send = workButton("Refund", "Refunding…", refund, { class: "danger" });
  return h("form", { class: "refund stack", hidden: begun === null, on: { submit: (event) => { event.preventDefault(); send.click(); } } },
    h("div", { class: "row" }, h("label", { for: field.id }, "Amount in yuan"), field, send),
    h("p", { class: "hint" }, `At most ${yuan(payment.refundable)}. Giving back everything ends the order: what it took is put back.`),
    trouble);

  async function refund() {
    const amount = kept(name)?.amount ?? fenOf(field.value);
    if (amount === null || amount < 1) {
      trouble.replaceChildren(notice("bad", "Please give an amount like 12.50."));
      return;
    }
    try {
      keep(name, kept(name) ?? { key: newKey(), amount });
      field.readOnly = true;
      const headers = { "Idempotency-Key": kept(name).key };
      await api.post(`/api/ops/payments/${payment.payment_id}/refund`, { amount }, { life, headers });
      forget(name);
      say(`The refund of ${yuan(amount)} is under way.`);
      onRefunded();
    } catch (problem) {
      if (!life.aborted) failed(problem, amount);
    }
  }

  function failed(problem, amount) {
    if (problem.nothingDone) {
      forget(name);
      field.readOnly = false;
    }
    trouble.replaceChildren(notice("bad", problem.nothingDone ? opsSentence(problem) : unknown(amount)));
  }
}

function unknown(amount) {
  return `It is not known whether the refund of ${yuan(amount)} was begun. Asking again is safe: it is the same refund.`;
}

function newKey() {
  // Not randomUUID: a browser has that on https and on this machine only.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `ops-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
