/** The lines of the basket: how many of what, and what stands in the way of each. */

import { artwork } from "./artwork.js";
import { basket, MOST_PIECES, setQuantity } from "./basket.js";
import { catalogue, goodOf, titleOf } from "./catalogue.js";
import { button, focusOn, h, part, say, setChildren, setText } from "./dom.js";
import { yuan } from "./money.js";
import { attempt } from "./placing.js";

/** The list of lines; rows stay the same elements while one types in them. */
export function basketLines(life) {
  const list = h("ul", { class: "lines", "aria-label": "In the basket" });
  const rows = new Map();
  const show = () => {
    for (const { sku } of basket.value.lines) if (!rows.has(sku)) rows.set(sku, row(sku));
    for (const sku of [...rows.keys()]) if (!basket.value.lines.some((line) => line.sku === sku)) rows.delete(sku);
    for (const line of basket.value.lines) rows.get(line.sku).show(line);
    const elements = basket.value.lines.map((line) => rows.get(line.sku).element);
    setChildren(list, elements);
  };
  for (const state of [basket, catalogue, attempt]) state.watch(show, life);
  return list;
}

function row(sku) {
  const title = h("span", { class: "title" });
  const each = h("span", { class: "soft small" });
  const sum = h("span", { class: "sum" });
  const field = h("input", {
    type: "number", inputmode: "numeric", min: "1", max: String(MOST_PIECES), step: "1", required: true,
    on: { input: () => typed(sku, field), blur: () => put(field, quantityOf(sku)) },
  });
  const less = button("−", () => step(sku, -1), { class: "step" });
  const more = button("+", () => step(sku, 1), { class: "step" });
  const out = button("Remove", () => remove(sku), { class: "link" });
  const trouble = part("div", { class: "trouble" }, (problem) => problem && warning(sku, problem));
  const element = h("li", { class: "line", "data-sku": sku },
    h("div", { class: "thumb" }, artwork(sku)),
    h("div", { class: "named" }, title, each), sum,
    h("div", { class: "stepper" }, less, field, more), out, trouble.element);
  return { element, show: (line) => showRow(line, { title, each, sum, field, less, more, out, trouble }) };
}

/** Whether some line cannot be had as it is. */
export function linesInTheWay() {
  return basket.value.lines.some((line) => troubleOf(line) !== null);
}

function showRow(line, { title, each, sum, field, less, more, out, trouble }) {
  const name = titleOf(line.sku);
  setText(title, name);
  setText(each, `${yuan(line.unit_price)} each`);
  setText(sum, yuan(line.quantity * line.unit_price));
  if (document.activeElement !== field) put(field, line.quantity);
  field.setAttribute("aria-label", `Quantity of ${name}`);
  less.setAttribute("aria-label", `One less of ${name}`);
  more.setAttribute("aria-label", `One more of ${name}`);
  out.setAttribute("aria-label", `Remove ${name} from the basket`);
  for (const control of [field, less, more, out]) control.disabled = attempt.value !== null;
  less.disabled ||= line.quantity <= 1;
  const problem = troubleOf(line);
  field.setAttribute("aria-invalid", String(problem !== null));
  trouble.show(problem);
}

function troubleOf(line) {
  const good = goodOf(line.sku);
  if (!good) return null;
  if (good.price !== line.unit_price) {
    return { text: `The price is now ${yuan(good.price)}; it was ${yuan(line.unit_price)}.` };
  }
  if (good.limit !== null && line.quantity > good.limit) {
    return { text: `One buyer may have at most ${good.limit.toLocaleString()}.`, take: good.limit };
  }
  if (good.stock === 0) return { text: "Sold out. Take it out to order the rest.", take: 0 };
  if (line.quantity > good.stock) return { text: `Only ${good.stock.toLocaleString()} left.`, take: good.stock };
  return null;
}

function warning(sku, { text, take }) {
  const help = () => (take === 0 ? remove(sku) : setQuantity(sku, take));
  const label = take === 0 ? "Take it out" : `Take ${take?.toLocaleString()}`;
  return h("p", { class: "hint warn", role: "status" }, h("span", {}, text), " ",
    take === undefined ? null : button(label, help, { class: "link" }));
}

function typed(sku, field) {
  if (field.checkValidity()) setQuantity(sku, Number(field.value));
}

function put(field, quantity) {
  if (field.value !== String(quantity)) field.value = String(quantity);
}

function quantityOf(sku) {
  return basket.value.lines.find((line) => line.sku === sku)?.quantity ?? 1;
}

function step(sku, by) {
  setQuantity(sku, Math.min(MOST_PIECES, Math.max(1, quantityOf(sku) + by)));
}

function remove(sku) {
  setQuantity(sku, 0);
  say(`${titleOf(sku)} is out of the basket.`);
  focusOn(document.getElementById("basket-title"));
}
