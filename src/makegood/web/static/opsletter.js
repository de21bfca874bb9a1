/** A row of the dead letters: what it is, why it failed, what became of it. */

import { h, moment, setText, workButton } from "./dom.js";
import { badge, orderLink, pretty, service } from "./opsparts.js";

const WHEN = { dateStyle: "short", timeStyle: "medium" };

/** `onChoice` hears of its checkbox; `show` says what a replay has brought. */
export function letterRow(letter, onChoice, onReplay) {
  const name = `${letter.topic}: ${letter.tag}`;
  let open = true;
  const box = h("input", { type: "checkbox", "aria-label": `Choose ${name} for ${letter.group}, ${letter.key}`, on: { change: onChoice } });
  const state = h("td", { "data-label": "State" }, stateOf(letter));
  const tries = h("td", { "data-label": "Tries", class: "number" }, String(letter.tries));
  const reason = h("p", { class: "reason" }, letter.error);
  const again = workButton("Replay", "Replaying…", onReplay, { class: "quiet small", "aria-label": `Replay ${name}, ${letter.key}` });
  const element = h("tr", {},
    h("td", { "data-label": "Choose" }, box),
    h("td", { "data-label": "Event or task" }, h("p", {}, service(letter.service), " ", h("strong", {}, name)),
      h("p", { class: "soft small" }, letter.kind === "task" ? "a task of " : "for the group ", letter.group,
        ", since ", moment(letter.first_at, WHEN))),
    h("td", { "data-label": "Order" }, orderLink(letter.order_id)),
    tries, state,
    h("td", { "data-label": "Reason" }, reason,
      h("details", { class: "small" }, h("summary", {}, "The body"), h("pre", {}, pretty(letter.body)))),
    h("td", {}, again));
  return { element, open: () => open, chosen: () => box.checked, choose, show };

  function choose(wanted) {
    box.checked = wanted && open;
  }

  function show(outcome, latest) {
    open = outcome !== "handled" && outcome !== "gone";
    box.checked = false;
    box.disabled = !open;
    again.hidden = !open;
    element.classList.toggle("done", !open);
    state.replaceChildren(...[outcomeOf(outcome, latest)].flat());
    if (latest) {
      setText(reason, latest.error);
      setText(tries, String(latest.tries));
    }
  }
}

function stateOf(letter) {
  if (letter.next_at === null) return badge("bad", letter.kind === "task" ? "given up" : "buried");
  return [badge("warn", "set aside"), h("p", { class: "soft small" }, "next try ", moment(letter.next_at, WHEN))];
}

function outcomeOf(outcome, latest) {
  switch (outcome) {
    case "handled": return badge("good", "✓ Handled");
    case "gone": return badge("plain", "Gone: nothing to replay");
    case "failed": return [badge("bad", "✕ Failed again"), latest?.next_at
      && h("p", { class: "soft small" }, "next try ", moment(latest.next_at, WHEN))].filter(Boolean);
    default: return badge("wait", "To be tried…");
  }
}
