/**
 * Paying an order. An order has one open payment, and asking for it again gives the same one. Nothing is offered
 * while it is not known whether it is paid: after a visit to the cashier, or when the page cannot see the order.
 */

import { confirmed, h, moment, notice, workButton } from "./dom.js";
import { forget, keep, kept } from "./keep.js";
import { yuan } from "./money.js";
import { api } from "./session.js";
import { sentence } from "./words.js";

const CHANNEL = "alipay";
const PLATFORM = "Alipay";
const TIMEOUT = 25_000;

/** Whether this order waits for money. */
export function isPayable(order) {
  return order.status === "CONFIRMED" && order.payment_status === "UNPAID" && order.amount_due > 0;
}

/** What this tab knows about the order's payment: {payment_id, pay_url, visited}, or null. */
export function openedPayment(order) {
  if (isPayable(order)) return kept(`payment.${order.order_id}`);
  forget(`payment.${order.order_id}`);
  return null;
}

/** The panel; `state` is that of the feed, `again` shows the page anew. */
export function paymentPanel({ order, state, payment, problem, closing }, { again, onProblem }) {
  if (!isPayable(order)) return null;
  if (state === "opening" && !problem) return null;
  const heading = h("h2", { id: "pay-title" }, `Pay ${yuan(order.amount_due)}`);
  if (closing) return [heading, notice("warn", "This order is being cancelled. Please do not pay it any more.")];
  if (state !== "live") return [heading, notice("warn", blind(payment))];
  const trouble = problem ? [notice("bad", sentence(problem))] : [];
  const until = h("p", { class: "soft" }, "Please pay before ", moment(order.pay_by), ".");
  const label = problem && !problem.nothingDone ? "Show the payment" : `Pay with ${PLATFORM}`;
  const ask = (words, look) => openButton(order, words, look, again, onProblem);
  if (!payment) return [heading, until, ...trouble, ask(label, "primary wide")];
  return [heading, payment.visited ? waiting(ask) : offered(order, payment, again), ...trouble, until];
}

function blind(payment) {
  const words = "We cannot see right now whether this order is paid.";
  if (!payment) return `${words} You can pay as soon as we can.`;
  return `${words} If you have paid, please do not pay again: this page will show it.`;
}

/** Asks for the order's payment: the open one if there is one, so a lost answer can be asked for again. */
function openButton(order, label, look, again, onProblem) {
  return workButton(label, `Asking ${PLATFORM}…`, async () => {
    if (kept(`payment.${order.order_id}`)?.visited && !(await surelyUnpaid())) return;
    try {
      const question = { order_id: order.order_id, channel: CHANNEL };
      const opened = await api.post("/api/payments", question, { timeout: TIMEOUT });
      keep(`payment.${order.order_id}`, { ...opened, visited: false });
      onProblem(null);
    } catch (refused) {
      onProblem(refused);
    }
    again();
  }, { class: look });
}

function surelyUnpaid() {
  const words = "If you may have paid, please wait: this page shows it as soon as it is known. Otherwise you can " +
    "have the same payment again; it can be paid once only.";
  return confirmed("Did you close it without paying?", words, "I have not paid");
}

function offered(order, payment, again) {
  const visit = () => {
    keep(`payment.${order.order_id}`, { ...payment, visited: true });
    setTimeout(again);
  };
  return h("div", { class: "pay" },
    h("div", { class: "qr" }, qr(payment)),
    h("div", {},
      h("p", {}, `Scan the code with ${PLATFORM}`, isWeb(payment) ? ", or pay at the cashier's page." : "."),
      isWeb(payment) && cashier(payment, visit),
      h("p", { class: "soft small" }, "This page shows by itself when the money has arrived.")));
}

function waiting(ask) {
  const words = `Waiting for ${PLATFORM} to tell us about your payment. If you have paid, please do not pay again: ` +
    "it can take a moment, and this page shows it by itself.";
  return h("div", { class: "waiting" },
    notice("plain", words, h("div", { class: "spinner", "aria-hidden": "true" })),
    ask("I closed it without paying", "link"));
}

function cashier(payment, visit) {
  const link = { href: payment.pay_url, target: "_blank", rel: "noopener noreferrer", id: "cashier" };
  return h("a", { ...link, class: "button primary wide", on: { click: visit } }, "Open the cashier",
    h("span", { class: "hidden" }, " (opens a new tab)"));
}

function qr(payment) {
  const image = h("img", { width: "184", height: "184", alt: `QR code of the payment with ${PLATFORM}` });
  const failed = () => image.replaceWith(h("p", { class: "soft small" }, "The QR code could not be drawn."));
  image.addEventListener("error", failed);
  image.src = `/api/qr.svg?text=${encodeURIComponent(payment.pay_url)}`;
  return image;
}

function isWeb(payment) {
  return URL.canParse(payment.pay_url) && ["http:", "https:"].includes(new URL(payment.pay_url).protocol);
}
