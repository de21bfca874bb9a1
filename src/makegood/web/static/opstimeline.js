/** All moments of an order, the oldest first; each kind can be left out. */

import { button, h } from "./dom.js";
import { badge, clock, pretty, service, span, words } from "./opsparts.js";
import { factsOf, sentenceOf, verdictOf } from "./opsmoment.js";

const KINDS = [
  ["operation", "Operations"], ["change", "Changes"], ["event", "Events"], ["callback", "Callbacks"],
  ["task", "Tasks"], ["set-aside", "Set aside"], ["settlement", "Settlement"], ["journal", "Journal"],
];
const hidden = new Set(["journal"]);

export function timelineOf({ moments }) {
  const list = h("ol", { class: "timeline" }, moments.map((one, place) => item(one, moments[place - 1])));
  const filters = KINDS.map(([kind, label]) => filter(kind, label, moments, list));
  for (const kind of hidden) list.classList.add(`no-${kind}`);
  return h("section", { class: "card stack", "aria-labelledby": "timeline-title" },
    h("div", { class: "row between" }, h("h2", { id: "timeline-title" }, "Timeline"),
      h("div", { class: "row chips", role: "group", "aria-label": "What is shown" }, filters)), list);
}

function filter(kind, label, moments, list) {
  const count = moments.filter((one) => one.kind === kind).length;
  const chip = button(`${label} ${count}`, () => {
    const shown = hidden.delete(kind);
    if (!shown) hidden.add(kind);
    list.classList.toggle(`no-${kind}`, !shown);
    chip.setAttribute("aria-pressed", String(shown));
  }, { class: "chip", "aria-pressed": String(!hidden.has(kind)) });
  return count > 0 && chip;
}

function item(one, before) {
  const later = before ? new Date(one.at) - new Date(before.at) : 0;
  const verdict = verdictOf(one);
  const sentence = sentenceOf(one);
  return h("li", { class: `moment ${one.source} ${one.kind}${verdict ? ` ${verdict[0]}` : ""}` },
    h("div", { class: "when" }, clock(one.at), later > 0 && h("span", { class: "soft small" }, `+${span(later)}`)),
    h("div", { class: "what" },
      h("p", { class: "row said" }, service(one.source), h("span", { class: "kind" }, one.kind), h("strong", {}, one.kind === "settlement" ? words(one.what) : one.what),
        verdict && badge(...verdict), sentence && h("span", {}, sentence)),
      one.kind === "event" && hearing(one),
      details(one)));
}

function hearing({ at, detail }) {
  const heard = detail.heard.map((one) => h("li", {}, service(one.group), " heard it ",
    detail.published_at ? `${span(new Date(one.at) - new Date(at))} later` : ["at ", clock(one.at)]));
  const aside = detail.set_aside.map((group) => h("li", {}, service(group), " could not handle it and has set it aside"));
  const unknown = detail.not_known.length > 0 && h("li", { class: "soft" }, "nothing stored says whether ",
    detail.not_known.join(", "), " heard it");
  return h("ul", { class: "hearing small" }, heard, aside, unknown);
}

function details(one) {
  const { facts, texts } = factsOf(one);
  if (facts.length + texts.length === 0) return null;
  return h("details", { class: "small" }, h("summary", {}, "Details"),
    h("dl", { class: "detail" }, facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    texts.map(([name, text]) => h("div", {}, h("p", { class: "soft" }, name), h("pre", {}, pretty(text)))));
}
