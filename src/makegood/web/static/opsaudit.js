/** The promises, checked at the press of a button. */

import { h, moment, notice, part, setText, workButton } from "./dom.js";
import { badge, heading, opsSentence, span, table } from "./opsparts.js";

const TIMEOUT = 120_000;
const TICK = 100;

export function auditView(api, _services, life) {
  const trouble = part("div", {}, (problem) => problem && notice("bad", opsSentence(problem)));
  const shown = part("section", { class: "card stack", "aria-label": "Report" }, (report) => report && auditOf(report));
  const elapsed = h("span", {}, "");
  const busy = h("div", { class: "row", role: "status", hidden: true },
    h("div", { class: "spinner", "aria-hidden": "true" }), h("p", {}, "Checking every promise on the live shop… "),
    h("span", { "aria-hidden": "true" }, elapsed));
  const check = workButton("Check the promises", "Checking…", run, { class: "primary" });
  const element = h("div", { class: "view" },
    heading("Audit", "Recomputes from every service's own entries what must hold. What looks broken is looked at again when the " +
      "queues have drained, so a broken shop takes some seconds longer.", check),
    busy, trouble.element, shown.element);
  return { element };

  async function run() {
    const began = performance.now();
    const timer = setInterval(() => setText(elapsed, span(performance.now() - began)), TICK);
    trouble.show(null);
    shown.show(null);
    busy.hidden = false;
    try {
      const report = await api.get("/api/ops/audit", { life, timeout: TIMEOUT });
      shown.show({ ...report, took: performance.now() - began });
    } catch (problem) {
      if (!life.aborted) trouble.show(problem);
    } finally {
      clearInterval(timer);
      busy.hidden = true;
    }
  }
}

function auditOf({ at, kept, promises, took }) {
  const broken = promises.filter((one) => one.broken > 0);
  const words = kept ? "All promises are kept." : `${broken.length} of ${promises.length} promises are broken.`;
  const rows = promises.map((one) => [
    h("strong", {}, one.promise),
    h("div", {}, h("p", {}, one.title), examples(one)),
    one.checked, one.broken === 0 ? 0 : h("strong", { class: "alarm" }, one.broken.toLocaleString()),
    one.broken === 0 ? badge("good", "✓ kept") : badge("bad", "✕ broken"),
  ]);
  return [notice(kept ? "good" : "bad", words),
    h("p", { class: "soft small" }, "Checked at ", moment(at, { dateStyle: "medium", timeStyle: "medium" }), ` in ${span(took)}: ` +
      `${promises.reduce((sum, one) => sum + one.checked, 0).toLocaleString()} things looked at.`),
    table("The promises", ["Promise", "What must hold", "Checked", "Broken", "State"], rows)];
}

function examples({ examples: found, broken }) {
  if (!found?.length) return null;
  return h("ul", { class: "examples small" }, found.map((one) => h("li", {}, linked(one))),
    broken > found.length && h("li", { class: "soft" }, `and ${(broken - found.length).toLocaleString()} more`));
}

function linked(text) {
  const [, before, number, after] = /^(\D*)(\d{15,19})(.*)$/s.exec(text) ?? [];
  return number ? h("span", {}, before, h("a", { href: `#/orders/${number}` }, number), after) : text;
}
