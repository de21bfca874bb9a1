/** What only a person can settle: differences to the platforms, and callbacks nobody should believe. */

import { page } from "./api.js";
import { h, moment, notice, part, workButton } from "./dom.js";
import { yuan } from "./money.js";
import { badge, card, heading, opsSentence, orderLink, table } from "./opsparts.js";

const PAGE = 50;
const WHEN = { dateStyle: "short", timeStyle: "medium" };
const BREAKS = ["When", "What", "Order", "Channel", "Number", "Amount", "Detail"];
const NOTICES = ["When", "Why", "Order it names", "Channel", "Detail"];

export function settleView(api, _services, life) {
  const breaks = list("/api/ops/breaks", "breaks", (found) => table("Differences", BREAKS, found.map(breakRow)));
  const notices = list("/api/ops/refused-notices", "notices", (found) => table("Refused callbacks", NOTICES, found.map(noticeRow)));
  const refresh = () => Promise.all([breaks.look(null), notices.look(null)]);
  const element = h("div", { class: "view" },
    heading("To settle", "What only a person can settle.", workButton("Refresh", "Looking…", refresh, { class: "quiet" })),
    card("breaks", "Differences to the platforms", null,
      h("p", { class: "soft small" }, "Where a payment platform and this shop hold something different: settle it with the platform."),
      ...breaks.elements),
    card("notices", "Refused callbacks", null,
      h("p", { class: "soft small" }, "They proved nothing: not who sent them, nor that they are about the order they name."),
      ...notices.elements));
  return { element, shown: refresh };

  function list(path, name, build) {
    const trouble = part("div", {}, (problem) => problem && notice("bad", opsSentence(problem)));
    const shown = part("div", {}, (found) => (found.length === 0 ? h("p", { class: "soft" }, "There are none.") : build(found)));
    const more = workButton("Show more", "Looking…", () => look(next), { class: "quiet", hidden: true });
    let rows = [];
    let next = null;
    return { elements: [trouble.element, shown.element, more], look };

    async function look(after) {
      try {
        const found = await api.get(page(path, PAGE, after), { life });
        rows = after ? [...rows, ...found[name]] : found[name];
        next = found.next;
        trouble.show(null);
        shown.show(rows);
        more.hidden = next === null;
      } catch (problem) {
        if (!life.aborted) trouble.show(problem);
      }
    }
  }
}

function breakRow(one) {
  const number = h("span", { class: "code" }, one.number, one.trade_no && h("span", { class: "soft" }, ` trade ${one.trade_no}`));
  return [moment(one.at, WHEN), badge("warn", words(one.kind)), orderLink(one.order_id), one.channel, number, yuan(one.amount), one.detail];
}

function noticeRow(one) {
  const body = h("details", { class: "small" }, h("summary", {}, "The body"), h("pre", {}, one.body));
  const why = h("div", {}, h("p", {}, one.detail), body);
  return [moment(one.at, WHEN), badge("bad", words(one.reason)), orderLink(one.order_id), one.channel, why];
}

function words(code) {
  return code.replaceAll("_", " ");
}
