/** Events that consumers could not handle, and tasks that were given up: seen, chosen, tried again. */

import { page } from "./api.js";
import { confirmed, h, notice, part, setText, workButton } from "./dom.js";
import { letterRow } from "./opsletter.js";
import { replay } from "./opsreplay.js";
import { heading, opsSentence } from "./opsparts.js";

const PAGE = 100;
const MOST = 1_000;

export function lettersView(api, services, life) {
  const rows = new Map();
  const filter = { service: "", group: "" };
  let next = null;
  let asked = 0;
  const trouble = part("div", {}, (problem) => problem && notice("bad", opsSentence(problem)));
  const summary = h("p", { class: "soft", role: "status" }, "Looking…");
  const body = h("tbody");
  const all = h("input", { type: "checkbox", "aria-label": "Choose all that are shown", on: { change: chooseAll } });
  const chosen = workButton("Replay chosen", "Replaying…", () => replayed(selected()), { class: "primary" });
  const every = workButton("Replay all that match", "Replaying…", replayAll, { class: "quiet" });
  const number = h("span", { class: "soft small" });
  const more = workButton("Show more", "Looking…", () => look(next), { class: "quiet", hidden: true });
  const table = h("div", { class: "scroll", hidden: true }, h("table", { class: "stacked letters" },
    h("caption", { class: "hidden" }, "Dead letters"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, all), ["Event or task", "Order", "Tries", "State", "Reason", ""].map((name) =>
      h("th", { scope: "col" }, name)))), body));
  const filters = [["service", "Service"], ["group", "Consumer group"]].map(([name, label]) => select(name, label));
  services.watch(({ list }) => {
    offer(filters[0], list.map((one) => one.service));
    offer(filters[1], list.flatMap((one) => one.groups.map(({ group }) => group)));
  }, life);
  const element = h("div", { class: "view" },
    heading("Dead letters", "What a consumer could not handle. It is tried again by itself up to 16 times; then it is buried " +
      "until somebody replays it.", workButton("Refresh", "Looking…", () => look(null), { class: "quiet" })),
    h("section", { class: "card", "aria-label": "Dead letters" },
      h("div", { class: "row between tools" }, h("div", { class: "row" }, filters.map(({ field }) => field)),
        h("div", { class: "row" }, number, chosen, every)),
      trouble.element, summary, table, more));
  return { element, shown: () => look(null) };

  function select(name, label) {
    const choice = h("select", { id: `of-${name}`, on: { change: () => { filter[name] = choice.value; look(null); } } },
      h("option", { value: "" }, "all"));
    return { choice, field: h("div", { class: "choice" }, h("label", { for: `of-${name}` }, label), choice) };
  }

  async function look(after) {
    asked += 1;
    const question = asked;
    try {
      const found = await api.get(address(after), { life });
      if (question !== asked) return; // the filter has changed meanwhile
      if (after === null) rows.clear();
      for (const letter of found.dead_letters) rows.set(letter.id, letterRow(letter, count, () => replayed([letter.id])));
      next = found.next;
      trouble.show(null);
      draw();
    } catch (problem) {
      if (!life.aborted) trouble.show(problem);
    }
  }

  function address(after) {
    const wanted = Object.entries(filter).filter(([, value]) => value !== "");
    return page("/api/ops/dead-letters", PAGE, after) + wanted.map(([name, value]) => `&${name}=${encodeURIComponent(value)}`).join("");
  }

  function draw() {
    body.replaceChildren(...[...rows.values()].map((row) => row.element));
    table.hidden = rows.size === 0;
    more.hidden = next === null;
    every.hidden = rows.size === 0;
    all.checked = false;
    setText(summary, rows.size === 0 ? "There are none." : `${rows.size}${next ? " or more" : ""} dead letters.`);
    count();
  }

  function count() {
    const picked = selected().length;
    setText(number, picked === 0 ? "" : `${picked} chosen`);
    chosen.hidden = rows.size === 0;
  }

  function selected() {
    return [...rows].filter(([, row]) => row.chosen()).map(([id]) => id);
  }

  function chooseAll() {
    for (const row of rows.values()) row.choose(all.checked);
    count();
  }

  async function replayAll() {
    while (next !== null && rows.size < MOST) {
      const before = next;
      await look(next);
      if (next === before) return;
    }
    const ids = [...rows].filter(([, row]) => row.open()).map(([id]) => id);
    const left = next === null ? "" : ` There are more than ${MOST}: the rest stays for the next time.`;
    if (await confirmed(`Replay ${ids.length} dead letters?`, `Each is tried again from its first try.${left}`, "Replay them")) {
      await replayed(ids);
    }
  }

  async function replayed(ids) {
    if (ids.length === 0) {
      setText(summary, "Choose at least one first.");
      return;
    }
    const told = { handled: 0, failed: 0, gone: 0, waiting: 0 };
    try {
      trouble.show(null);
      for await (const { id, outcome, letter } of replay(api, ids, (id) => rows.get(id)?.show("waiting", null), life)) {
        told[outcome] += 1;
        rows.get(id)?.show(outcome, letter);
        setText(summary, inWords(told, ids.length));
      }
    } catch (problem) {
      if (!life.aborted) trouble.show(problem);
    }
    count();
  }
}

function inWords({ handled, failed, gone, waiting }, all) {
  const parts = [[handled, "handled"], [failed, "failed again"], [gone, "gone"], [waiting, "not tried yet"]];
  return `Of ${all} replayed: ${parts.filter(([number]) => number > 0).map((one) => one.join(" ")).join(", ")}.`;
}

function offer({ choice }, names) {
  const wanted = [...new Set(names)];
  const known = [...choice.options].slice(1).map((option) => option.value);
  if (wanted.length > 0 && wanted.join() !== known.join()) {
    const value = choice.value;
    choice.replaceChildren(h("option", { value: "" }, "all"), ...wanted.map((name) => h("option", { value: name }, name)));
    choice.value = wanted.includes(value) ? value : "";
  }
}
