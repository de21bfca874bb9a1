/** What only a person can settle: differences to the platforms, and callbacks nobody should believe. */

import { h, moment, workButton } from "./dom.js";
import { billsCard } from "./opsbills.js";
import { pagedList } from "./opslist.js";
import { badge, card, day, heading, merchant, money, numbers, orderLink, table, words } from "./opsparts.js";

const WHEN = { dateStyle: "short", timeStyle: "medium" };
const BREAKS = ["When", "What", "Order", "Channel", "Number", "Amount", "Detail"];
const DIFFERENCES = ["Day", "What", "Order", "Merchant", "Number", "Ours", "Theirs", "Detail"];
const NOTICES = ["When", "Why", "Order it names", "Channel", "Detail"];

export function settleView(api, _services, life) {
  const list = (path, name, title, columns, row) =>
    pagedList(api, path, name, (found) => table(title, columns, found.map(row)), life);
  const breaks = list("/api/ops/breaks", "breaks", "Differences", BREAKS, breakRow);
  const differences = list("/api/ops/differences", "differences", "Lines that differ", DIFFERENCES, differenceRow);
  const notices = list("/api/ops/refused-notices", "notices", "Refused callbacks", NOTICES, noticeRow);
  const bills = billsCard(api, () => Promise.all([breaks, differences].map((one) => one.look(null))), life);
  const refresh = () => Promise.all([breaks, bills, differences, notices].map((one) => one.look(null)));
  const element = h("div", { class: "view" },
    heading("To settle", "What only a person can settle.", workButton("Refresh", "Looking…", refresh, { class: "quiet" })),
    card("breaks", "Differences to the platforms", null,
      h("p", { class: "soft small" }, "Where a payment platform and this shop hold something different: settle it with the platform."),
      ...breaks.elements),
    bills.element,
    card("differences", "Lines of bills that differ", null,
      h("p", { class: "soft small" }, "What only we have, only the platform, or both with another amount. Comparing the day again removes what is settled."),
      ...differences.elements),
    card("notices", "Refused callbacks", null,
      h("p", { class: "soft small" }, "They proved nothing: not who sent them, nor that they are about the order they name."),
      ...notices.elements));
  return { element, shown: refresh };
}

function breakRow(one) {
  const number = numbers(one.number, { trade: one.trade_no });
  return [moment(one.at, WHEN), badge("warn", words(one.kind)), orderLink(one.order_id), one.channel, number, money(one.amount), one.detail];
}

function differenceRow(one) {
  const number = numbers(one.number, { refund: one.refund_number, trade: one.trade_no });
  return [day(one.date), badge("warn", words(one.kind)), orderLink(one.order_id), merchant(one.account), number,
    money(one.ours), money(one.theirs), one.detail];
}

function noticeRow(one) {
  const body = h("details", { class: "small" }, h("summary", {}, "The body"), h("pre", {}, one.body));
  const why = h("div", {}, h("p", {}, one.detail), body);
  return [moment(one.at, WHEN), badge("bad", words(one.reason)), orderLink(one.order_id), one.channel, why];
}
