/** The shop as it works now: two lines over the last two minutes, and the figures of every service. */

import { h, notice, part, setText } from "./dom.js";
import { lineChart } from "./opschart.js";
import { heading, opsSentence } from "./opsparts.js";
import { servicesCard } from "./opsservices.js";
import { repeat } from "./signal.js";

const TICK = 1_000;
const SECONDS = 120;
const GAP = 5_000;

/** Polls while the page can be seen, also behind the other sections, so that the lines have no holes. */
export function liveView(api, services, life) {
  const rate = lineChart({ id: "rate", title: "Orders a second", unit: "orders a second", seconds: SECONDS });
  const size = lineChart({ id: "size", title: "Orders in one transaction", unit: "orders a transaction", seconds: SECONDS });
  const trouble = part("div", {}, (problem) => problem && notice("bad", opsSentence(problem)));
  const sums = sumsOf();
  const series = { rate: [], size: [] };
  let last = null;
  repeat(TICK, tick, life);
  const element = h("div", { class: "view" },
    heading("Live", "What the services of this process do now. The more orders come at once, the more of them share a transaction."),
    trouble.element, h("div", { class: "charts" }, rate.element, size.element), sums.element, servicesCard(services, life));
  return { element };

  async function tick() {
    try {
      const found = await api.get("/api/ops/figures", { life });
      trouble.show(null);
      if (last !== null) note(last, found);
      last = found;
      sums.show(found);
    } catch (problem) {
      if (!life.aborted) trouble.show(problem);
    }
  }

  function note(before, found) {
    const elapsed = found.at - before.at;
    const unbroken = elapsed > 0 && elapsed < GAP && found.orders >= before.orders;
    const orders = found.orders - before.orders;
    const transactions = found.order_batches - before.order_batches;
    push(series.rate, found.at, unbroken ? (orders * 1_000) / elapsed : null);
    push(series.size, found.at, unbroken && transactions > 0 ? orders / transactions : null);
    rate.draw(series.rate, found.at);
    size.draw(series.size, found.at);
  }
}

function push(points, at, value) {
  points.push({ at, value });
  while (points[0].at < at - SECONDS * 1_000) points.shift();
}

function sumsOf() {
  const names = [["orders", "Orders opened"], ["requests", "Calls answered"], ["batches", "Batches run"],
    ["failed", "Calls failed"], ["shed", "Calls shed"]];
  const cells = names.map(([name, label]) => [name, h("dd", {}, "–"), label]);
  const element = h("dl", { class: "sums", "aria-label": "Since the start" },
    cells.map(([, cell, label]) => h("div", {}, h("dt", {}, label), cell)));
  return { element, show: (found) => cells.forEach(([name, cell]) => setText(cell, found[name].toLocaleString())) };
}
