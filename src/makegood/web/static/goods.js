/** The goods, with live stock. */

import { artwork } from "./artwork.js";
import { add, basket, MOST_LINES } from "./basket.js";
import { catalogue, findGood, goodOf, listIsFull, moreGoods, refreshGoods } from "./catalogue.js";
import { button, h, notice, part, say, setChildren, setText, workButton } from "./dom.js";
import { yuan } from "./money.js";
import { attempt } from "./placing.js";
import { repeat } from "./signal.js";
import { sentence } from "./words.js";

const LIVE = 3_000;
const SCARCE = 20;
const SKELETONS = 8;
const ORDERS = {
  sku: ["Sorted as listed", () => 0],
  title: ["By name", (one, other) => one.title.localeCompare(other.title)],
  cheap: ["Cheapest first", (one, other) => one.price - other.price],
  dear: ["Dearest first", (one, other) => other.price - one.price],
};

/** The section of goods; looks at the stock every few seconds while it is shown. */
export function goodsSection(life) {
  const list = h("ul", { class: "goods", "aria-label": "Goods", "aria-busy": "true" }, skeletons());
  const filter = h("input", { type: "search", id: "filter", placeholder: "Search the goods", autocomplete: "off" });
  const order = h("select", { id: "sort", class: "sort", "aria-label": "Order of the goods" },
    Object.entries(ORDERS).map(([value, [words]]) => h("option", { value }, words)));
  const seen = h("p", { class: "seen soft small" });
  const trouble = part("div", {}, (problem) => problem && notice("bad", sentence(problem)));
  const more = workButton("Show more", "Looking…", () => moreGoods(life), { class: "quiet wide" });
  const cards = new Map();
  const show = () => {
    if (catalogue.value.at || catalogue.value.problem) showCards(list, cards, filter.value, ORDERS[order.value][1]);
    trouble.show(catalogue.value.problem && { ...catalogue.value.problem });
    more.hidden = !catalogue.value.more || listIsFull();
    setText(seen, catalogue.value.at ? `Live stock, as of ${catalogue.value.at.toLocaleTimeString()}` : "Looking…");
    seen.classList.toggle("stale", catalogue.value.problem !== null);
  };
  filter.addEventListener("input", show);
  order.addEventListener("change", show);
  for (const state of [catalogue, basket, attempt]) state.watch(show, life);
  repeat(LIVE, () => refreshGoods(life, skusOfBasket()), life);
  const search = h("form", { class: "search", role: "search", on: { submit: (event) => lookUp(event, filter, life) } },
    h("label", { for: "filter", class: "hidden" }, "Find goods"), filter);
  return h("section", { class: "shelf", "aria-labelledby": "goods-title" },
    h("div", { class: "shelf-head" },
      h("div", {}, h("h1", { id: "goods-title", tabindex: "-1" }, "Goods"), seen), search, order),
    trouble.element, list, more);
}

function skeletons() {
  return Array.from({ length: SKELETONS }, () => h("li", { class: "product skeleton", "aria-hidden": "true" },
    h("div", { class: "picture" }), h("div", { class: "bar-line" }), h("div", { class: "bar-line short" })));
}

/** The SKUs in the basket, which are looked at even when they are not listed. */
export function skusOfBasket() {
  return basket.value.lines.map((line) => line.sku);
}

/** A SKU beyond what is listed is found by its whole name. */
async function lookUp(event, filter, life) {
  event.preventDefault();
  const sku = filter.value.trim();
  if (!sku || goodOf(sku)) return;
  try {
    if (!(await findGood(sku, life))) say(`There is nothing with the SKU ${sku}.`);
  } catch (problem) {
    say(sentence(problem));
  }
}

function showCards(list, cards, typed, order) {
  const wanted = typed.trim().toLowerCase();
  const skus = catalogue.value.listed.filter((sku) => matches(sku, wanted));
  const exact = typed.trim();
  if (goodOf(exact) && !skus.includes(exact)) skus.push(exact);
  for (const sku of skus) {
    if (!cards.has(sku)) cards.set(sku, card(sku));
    cards.get(sku).show();
  }
  skus.sort((one, other) => order(goodOf(one), goodOf(other)));
  const elements = skus.map((sku) => cards.get(sku).element);
  if (elements.length === 0 && catalogue.value.at) elements.push(h("li", { class: "empty" }, nothing(wanted)));
  list.removeAttribute("aria-busy");
  setChildren(list, elements);
}

function nothing(wanted) {
  if (!wanted) return "There are no goods yet.";
  return "Nothing here has this in its name. Press Enter to look for the exact SKU.";
}

function matches(sku, wanted) {
  return sku.toLowerCase().includes(wanted) || goodOf(sku).title.toLowerCase().includes(wanted);
}

function card(sku) {
  const price = h("span", { class: "price" });
  const stock = h("p", { class: "stock" });
  const title = h("h2", { class: "title" });
  const held = h("span", { class: "held", "aria-hidden": "true" });
  const put = button("", () => addToBasket(sku), { class: "primary add" });
  const element = h("li", { class: "product", "data-sku": sku },
    h("div", { class: "picture" }, artwork(sku), held),
    h("div", { class: "about" }, title, stock),
    h("div", { class: "buy" }, price, put));
  return { element, show: () => showCard(goodOf(sku), { element, title, price, stock, held, put }) };
}

function showCard(good, { element, title, price, stock, held, put }) {
  const soldOut = good.stock === 0;
  const inBasket = basket.value.lines.find((line) => line.sku === good.sku)?.quantity ?? 0;
  setText(title, good.title);
  setText(price, yuan(good.price));
  setText(stock, stockWords(good));
  stock.classList.toggle("scarce", good.stock <= SCARCE);
  element.classList.toggle("sold-out", soldOut);
  setText(held, inBasket ? `${inBasket.toLocaleString()} in the basket` : "");
  setText(put, soldOut ? "Sold out" : "Add");
  put.setAttribute("aria-label", soldOut ? `Sold out: ${good.title}` : addWords(good, inBasket));
  put.disabled = soldOut || attempt.value !== null;
}

function addWords(good, inBasket) {
  const held = inBasket ? `, ${inBasket.toLocaleString()} are in it` : "";
  return `Add ${good.title} to the basket${held}`;
}

function stockWords(good) {
  const pieces = good.stock.toLocaleString();
  const some = good.stock <= SCARCE ? `Only ${pieces} left` : `${pieces} in stock`;
  const left = good.stock === 0 ? "Sold out" : some;
  return good.limit === null ? left : `${left} · at most ${good.limit.toLocaleString()} for each buyer`;
}

function addToBasket(sku) {
  const good = goodOf(sku);
  if (add(good)) say(`${good.title} is in the basket.`);
  else say(`A basket holds at most ${MOST_LINES} different goods.`);
}
