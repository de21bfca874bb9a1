/** Platforms' bills: which were compared, and comparing one, now or again. */

import { h, notice, say, workButton } from "./dom.js";
import { pagedList } from "./opslist.js";
import { badge, card, day, merchant, money, opsSentence, table, words } from "./opsparts.js";
import { pause } from "./signal.js";

const PATH = "/api/ops/reconciliations";
const COLUMNS = ["Day", "Merchant", "State", "Lines", "Captured", "Refunded", "Differences", "Run", ""];
const LOOK = 500;
const LOOKS = 120;
const DAY = 86_400_000;
const ZONE = 28_800_000;

/** The card; `onCompared` hears when the lines that differ may have changed. */
export function billsCard(api, onCompared, life) {
  const list = pagedList(api, PATH, "reconciliations", (found) => table("Bills", COLUMNS, found.map(row)), life);
  const trouble = h("div", {});
  const channel = h("input", { id: "bill-channel", required: true, maxlength: "32", value: "alipay", autocomplete: "off" });
  const date = h("input", { id: "bill-date", type: "date", required: true, max: yesterday(), value: yesterday() });
  const start = workButton("Compare", "Comparing…", () => compare(channel.value.trim(), date.value));
  const form = h("form", { class: "row tools", on: { submit: (event) => { event.preventDefault(); start.click(); } } },
    h("div", { class: "choice" }, h("label", { for: channel.id }, "Channel"), channel),
    h("div", { class: "choice" }, h("label", { for: date.id }, "Day, by China's clock"), date), start);
  const element = card("bills", "Bills", null,
    h("p", { class: "soft small" }, "A platform's bill of a day against our payments and refunds, line by line. " +
      "Channels of the same merchant have one bill."), form, trouble, ...list.elements);
  return { element, look: () => list.look(null) };

  function row(one) {
    const kind = one.state === "FAILED" ? "bad" : one.state === "RUNNING" ? "wait" : one.differences ? "warn" : "good";
    const state = h("div", {}, badge(kind, words(one.state.toLowerCase())), one.error && h("p", { class: "small" }, one.error));
    const id = `again-${one.account}-${one.date}`;
    const again = workButton("Compare again", "Comparing…", () => compare(one.channel, one.date, id), { class: "quiet small", id });
    return [day(one.date), merchant(one.account), state, one.lines, money(one.captured), money(one.refunded), one.differences,
      one.run, again];
  }

  /** Begins it and waits for its end; the button that had the focus has it afterwards, though the list is another. */
  async function compare(name, wanted, pressed = null) {
    const held = pressed !== null && document.activeElement?.id === pressed;
    trouble.replaceChildren();
    try {
      const begun = await api.post(PATH, { channel: name, date: wanted }, { life });
      say(outcome(await ended(begun)));
    } catch (problem) {
      if (!life.aborted) trouble.replaceChildren(notice("bad", opsSentence(problem)));
    }
    if (life.aborted) return;
    await Promise.all([list.look(null), onCompared()]);
    if (held) document.getElementById(pressed)?.focus();
  }

  /** How the comparison stands when it has ended, waits for the platform, or takes long. */
  async function ended(begun) {
    let one = begun;
    const path = `${PATH}/${encodeURIComponent(begun.channel)}/${encodeURIComponent(begun.date)}`;
    for (let look = 0; one.state === "RUNNING" && !one.error && look < LOOKS; look += 1) {
      if (!(await pause(LOOK, life))) return one;
      one = await api.get(path, { life });
    }
    return one;
  }
}

function outcome({ state, date, differences }) {
  const bill = `The bill of ${date}`;
  switch (state) {
    case "DONE": return `${bill} is compared: ${differences === 0 ? "nothing differs" : `${differences} to settle`}.`;
    case "FAILED": return `${bill} could not be compared.`;
    default: return `${bill} is still being compared.`;
  }
}

/** The last day that is over, YYYY-MM-DD by China's clock. */
function yesterday() {
  return new Date(Date.now() + ZONE - DAY).toISOString().slice(0, 10);
}
