/** What is told to people, for every code the shop answers with. */

const PROBLEMS = {
  out_of_stock: "Somebody was faster: there is not enough left of something in your basket. Nothing was taken. " +
    "Please take less of what is marked, or take it out.",
  price_changed: "A price has changed since you looked. Nothing was taken. Please look at the new price, and agree " +
    "to it.",
  coupon_unusable: "This coupon cannot be used for these goods: it needs a higher amount, or has expired or been " +
    "used. Nothing was taken. Please go on without it.",
  insufficient_balance: "Your balance is smaller than what you want to use of it. Nothing was taken. Please use " +
    "less of it.",
  amount_mismatch: "The amounts did not add up any more. Nothing was taken. Please look at the new amounts.",
  limit_exceeded: "This is more than one buyer may have of something in your basket, earlier orders included. " +
    "Nothing was taken. Please take less.",
  cancelled: "The order was cancelled before it could be confirmed. Nothing is taken; you can order again.",
  unknown_sku: "Something in your basket is not sold any more. Please take it out.",
  duplicate_sku: "Something is in the basket twice. Please take one of the two out.",
  unknown_channel: "This way to pay is not offered here.",
  key_reused: "This order was already sent with another content. Please look at your orders before you order again.",
  malformed: "The shop could not understand this request.",
  bad_credentials: "User or password is wrong.",
  unauthorized: "Your session has ended. Please sign in again.",
  too_many_attempts: "Too many failed sign-ins. Please wait a little.",
  not_operator: "This token is not the operators' token.",
  not_found: "There is no such thing, or it is not yours.",
  not_cancellable: "This order can no longer be cancelled. If it is paid, you can ask for a refund.",
  not_refundable: "This cannot be refunded: only a paid order that is not completed or refunded yet can be.",
  not_shippable: "Only a paid order that has not been shipped can be shipped.",
  not_receivable: "Only a shipped order can be marked as received.",
  not_payable: "This order cannot be paid now: it is paid already, cancelled, or nothing is due.",
  overloaded: "The shop is very busy right now. Nothing was done.",
  not_ready: "The shop takes no orders at this moment. Nothing was done.",
  unavailable: "A part of the shop does not answer right now.",
  database_unavailable: "A part of the shop does not answer right now.",
  platform_unavailable: "The payment platform does not answer right now.",
  too_many_streams: "Too many pages of yours watch orders at once. Please close one.",
  timeout: "The shop did not answer in time. What it did is not known yet.",
  internal_error: "The shop failed to answer. What it did is not known yet.",
  no_storage: "This browser does not let the page keep anything. Please allow site data for it, then try again.",
  no_answer: "No answer came from the shop. Please check your connection.",
  unreadable: "The shop sent an answer this page cannot read.",
};

/** A sentence for a problem; a code that is new here is shown with the shop's own explanation. */
export function sentence(problem) {
  const known = PROBLEMS[problem.code];
  if (known && !(problem.code === "unreadable" && problem.detail)) return known;
  return problem.detail || `The shop refused this (${String(problem.code).replaceAll("_", " ")}).`;
}

const REASONS = {
  placed: "Order received",
  confirmed: "Confirmed: everything is reserved for you",
  paid: "Paid",
  shipped: "Shipped",
  received: "Received",
  refund_requested: "Refund asked for",
  refunded: "Refunded",
  cancelled: "Cancelled",
  expired: "Cancelled: it was not paid in time",
  out_of_stock: "Refused: not enough in stock",
  price_changed: "Refused: a price had changed",
  coupon_unusable: "Refused: the coupon could not be used",
  insufficient_balance: "Refused: the balance was too small",
  amount_mismatch: "Refused: the amounts did not add up",
  limit_exceeded: "Refused: more than one buyer may have",
  unknown_sku: "Refused: something is not sold any more",
};

/** What a change of an order was, in words. */
export function reason(why) {
  return REASONS[why] ?? why.replaceAll("_", " ");
}

/** The one line that says where an order stands: [kind of badge, words]. */
export function standing(order) {
  if (order.status === "OPEN") return ["wait", "Being decided"];
  if (order.payment_status === "REFUNDING") return ["wait", "Refund under way"];
  if (order.payment_status === "REFUNDED") return ["plain", "Refunded"];
  if (order.status === "CANCELLED") return ["bad", order.decision === "confirmed" ? "Cancelled" : "Not placed"];
  if (order.status === "COMPLETED") return ["good", "Completed"];
  if (order.payment_status === "UNPAID") return ["warn", "Waiting for payment"];
  return ["good", order.shipping_status === "SHIPPED" ? "Shipped" : "Paid"];
}
