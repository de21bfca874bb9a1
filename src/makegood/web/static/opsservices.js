/** Figures of every service; each can be opened to see its functions and its consumer groups. */

import { button, h, notice, part, setChildren, setText } from "./dom.js";
import { card, opsSentence, service, span } from "./opsparts.js";

const MOST = 1_000;
const COLUMNS = [
  ["Calls", (one) => one.requests],
  ["Batches", (one) => one.batches],
  ["A batch", perBatch],
  ["Failed", (one) => one.failures, "bad"],
  ["Shed", (one) => one.functions.reduce((sum, each) => sum + each.shed, 0), "warn"],
  ["Waiting", (one) => one.queue],
  ["Outbox", (one) => one.outbox],
  ["Lag", (one) => one.lag],
  ["Tasks due", (one) => rows(one.tasks_due)],
  ["Late", (one) => rows(one.tasks_late), "warn"],
  ["Set aside", (one) => rows(one.set_aside), "warn"],
  ["Buried", (one) => rows(one.dead), "bad"],
];

/** The table is changed in place, so that what is open stays open and the focus stays where it is. */
export function servicesCard(services, life) {
  const seen = h("span", { class: "soft small" }, "Looking…");
  const trouble = part("div", {}, (problem) => problem && notice("bad", opsSentence(problem)));
  const body = h("tbody");
  const head = h("thead", {}, h("tr", {}, ["Service", ...COLUMNS.map(([name]) => name)].map((name) =>
    h("th", { scope: "col", class: name === "Service" ? "" : "number" }, name))));
  const known = new Map();
  services.watch(({ list, at, problem }) => {
    trouble.show(problem);
    for (const one of list) row(one.service).show(one);
    setChildren(body, list.flatMap((one) => row(one.service).elements));
    if (at) setText(seen, `As of ${new Date(at).toLocaleTimeString()}`);
  }, life);
  return card("services", "Services", seen, trouble.element,
    h("div", { class: "scroll" }, h("table", { class: "stacked figures" },
      h("caption", { class: "hidden" }, "What each service has done since the start, and what waits in it"), head, body)),
    h("p", { class: "soft small" }, "Lag is messages a consumer group has not handled. A task is late ten seconds " +
      "after it may run. Counts of stored rows end at 1,000."));

  function row(name) {
    if (!known.has(name)) known.set(name, serviceRow(name));
    return known.get(name);
  }
}

function serviceRow(name) {
  const inside = h("td", { colspan: COLUMNS.length + 1 });
  const more = h("tr", { class: "more", id: `inside-${name}`, hidden: true }, inside);
  const opener = button("", () => {
    more.hidden = !more.hidden;
    opener.setAttribute("aria-expanded", String(!more.hidden));
  }, { class: "opener", "aria-expanded": "false", "aria-controls": `inside-${name}` });
  opener.append(service(name));
  const cells = COLUMNS.map(([label]) => h("td", { class: "number", "data-label": label }));
  return { elements: [h("tr", {}, h("th", { scope: "row" }, opener), cells), more], show };

  function show(one) {
    COLUMNS.forEach(([, value, alarm], place) => {
      const number = value(one);
      setText(cells[place], number.toLocaleString());
      cells[place].classList.toggle("zero", number === 0);
      if (alarm) cells[place].classList.toggle(alarm, number !== 0);
    });
    const now = JSON.stringify([one.functions, one.groups]);
    if (inside.dataset.shown === now) return;
    inside.dataset.shown = now;
    inside.replaceChildren(functionsOf(one.functions), groupsOf(one.groups));
  }
}

function functionsOf(functions) {
  const names = ["Function", "Calls", "Batches", "A batch", "Failed", "Shed", "Expired", "Waiting", "Time a batch"];
  const busy = functions.filter((one) => one.requests + one.shed + one.expired + one.waiting > 0)
    .sort((one, other) => other.requests - one.requests);
  return h("table", { class: "inner" }, h("caption", {}, "Functions that were called"),
    h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col", class: name === "Function" ? "" : "number" }, name)))),
    h("tbody", {}, busy.map((one) => h("tr", {}, h("th", { scope: "row" }, one.function),
      [one.requests, one.batches, perBatch(one), one.failed, one.shed, one.expired, one.waiting, timeOf(one)].map((cell) =>
        h("td", { class: "number" }, cell.toLocaleString()))))));
}

function groupsOf(groups) {
  if (groups.length === 0) return h("p", { class: "soft small" }, "It listens to nothing.");
  return h("ul", { class: "small" }, groups.map(({ group, lag, oldest }) => h("li", {}, "Consumer group ", h("strong", {}, group),
    lag === 0 ? ": has handled everything" : `: ${lag.toLocaleString()} to handle, the oldest for ${span(oldest)}`)));
}

function perBatch({ requests, batches }) {
  return batches === 0 ? "–" : (requests / batches).toFixed(1);
}

function timeOf(one) {
  return one.batches === 0 ? "–" : span(one.milliseconds / one.batches);
}

function rows(count) {
  return count >= MOST ? `${MOST.toLocaleString()}+` : count;
}
