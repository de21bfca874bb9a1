/** A list of the console that is read page by page, and shows what it could not read. */

import { page } from "./api.js";
import { h, notice, part, workButton } from "./dom.js";
import { opsSentence } from "./opsparts.js";

const PAGE = 50;

/** `build` makes an element of the rows that `name` has in the answers; `look(null)` reads the first page anew. */
export function pagedList(api, path, name, build, life) {
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
