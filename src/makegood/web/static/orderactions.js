/** What a buyer can do with an order: cancel it, ask for the money back, say that it has arrived. */

import { confirmed, h, say, workButton } from "./dom.js";
import { forget, keep, kept } from "./keep.js";
import { api } from "./session.js";
import { sentence } from "./words.js";

const TIMEOUT = 25_000;

/** Whether its cancelling was asked for and is not settled yet. */
export function isClosing(order) {
  const name = `closing.${order.order_id}`;
  if (order.status === "CONFIRMED" && order.payment_status === "UNPAID") return kept(name) === true;
  forget(name);
  return false;
}

/** The buttons for this order as it is now. */
export function actions(order, show, changed) {
  return [
    canCancel(order) && act("Cancel the order", "Cancelling…", "quiet", () => cancel(order, show, changed)),
    canRefund(order) && act("Ask for a refund", "Asking…", "quiet", () => refund(order, changed)),
    canReceive(order) && act("I have received it", "Noting…", "primary", () => receive(order, changed)),
  ];
}

function canCancel(order) {
  return ["OPEN", "CONFIRMED"].includes(order.status) && order.payment_status === "UNPAID" && !order.closing;
}

function canRefund(order) {
  return order.status === "CONFIRMED" && order.payment_status === "PAID";
}

function canReceive(order) {
  return canRefund(order) && order.shipping_status === "SHIPPED";
}

function act(label, busy, look, work) {
  return h("div", {}, workButton(label, busy, work, { class: look }));
}

async function cancel(order, show, changed) {
  const explanation = "Everything reserved for it is put back, and it cannot be paid any more.";
  if (!(await confirmed("Cancel this order?", explanation, "Cancel the order"))) return;
  keep(`closing.${order.order_id}`, true);
  show();
  const answer = await ask(order, "cancel", changed);
  // Only a refusal says that it is not being cancelled; a lost answer does not.
  if (answer === "refused") forget(`closing.${order.order_id}`);
  if (answer === 202) say("The platform is asked to close the payment. This page shows when the order is cancelled.");
  show();
}

async function refund(order, changed) {
  const shipped = order.shipping_status !== "UNSHIPPED";
  const explanation = shipped
    ? "What you paid goes back to where it came from. The coupon stays used, since the goods are on their way."
    : "What you paid goes back to where it came from, and the coupon is yours again.";
  if (await confirmed("Ask for a refund?", explanation, "Ask for the refund")) await ask(order, "refund", changed);
}

async function receive(order, changed) {
  const agreed = await confirmed("Have you received it?", "The order is then completed.", "Yes, received");
  if (agreed) await ask(order, "receive", changed);
}

/** Asks, and shows what came of it: the status, `refused`, or `unknown`. */
async function ask(order, what, changed) {
  try {
    const { status, body } = await api.call("POST", `/api/orders/${order.order_id}/${what}`, { timeout: TIMEOUT });
    changed(body);
    return status;
  } catch (problem) {
    say(sentence(problem));
    changed(await api.get(`/api/orders/${order.order_id}`).catch(() => order));
    return problem.nothingDone ? "refused" : "unknown";
  }
}
