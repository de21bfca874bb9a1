/** What the sections of the console have in common. */

import { h } from "./dom.js";
import { sentence } from "./words.js";

/** A card with a heading and a control beside it. */
export function section(id, title, control, ...content) {
  return h("section", { class: "card", id, "aria-labelledby": `${id}-title` },
    h("div", { class: "row between" }, h("h2", { id: `${id}-title` }, title), control), ...content);
}

/** A table; numbers stand to the right. */
export function table(names, rows) {
  const numeric = names.map((_, place) => rows.length > 0 && rows.every((row) => isNumber(row[place])));
  const look = (place) => ({ class: numeric[place] ? "number" : "" });
  return h("table", {},
    h("thead", {}, h("tr", {}, names.map((name, place) => h("th", { scope: "col", ...look(place) }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, place) =>
      h("td", look(place), typeof cell === "number" ? cell.toLocaleString() : cell))))));
}

/** A problem in an operator's words: the shop's own explanation besides. */
export function opsSentence(problem) {
  const words = sentence(problem);
  return problem.detail && !words.includes(problem.detail) ? `${words} (${problem.detail})` : words;
}

function isNumber(cell) {
  return typeof cell === "number" || /^[¥\d.,–]+$/.test(cell) || cell?.classList?.contains("alarm");
}
