/** The goods, with live stock. */

import { add, basket, MOST_LINES } from "./basket.js";
import { catalogue, findGood, goodOf, listIsFull, moreGoods, refreshGoods } from "./catalogue.js";
import { button, h, notice, part, say, setChildren, setText, workButton } from "./dom.js";
import { yuan } from "./money.js";
import { attempt } from "./placing.js";
import { repeat } from "./signal.js";
import { sentence } from "./words.js";

const LIVE = 5_000;
const HUES = 6;
const SCARCE = 20;

/** The section of goods; looks at the stock every few seconds while it is shown. */
export function goodsSection(life) {
  const list = h("ul", { class: "goods", "aria-label": "Goods" });
  const filter = h("input", { type: "search", id: "filter", placeholder: "Title or SKU", autocomplete: "off" });
  const seen = h("span", { class: "soft small" });
  const trouble = part("div", {}, (problem) => problem && notice("bad", sentence(problem)));
  const more = workButton("Show more", "Looking…", () => moreGoods(life), { class: "quiet wide" });
  const cards = new Map();
  const show = () => {
    showCards(list, cards, filter.value);
    trouble.show(catalogue.value.problem && { ...catalogue.value.problem });
    more.hidden = !catalogue.value.more || listIsFull();
    setText(seen, catalogue.value.at ? `Stock as of ${catalogue.value.at.toLocaleTimeString()}` : "Looking…");
  };
  filter.addEventListener("input", show);
  for (const state of [catalogue, basket, attempt]) state.watch(show, life);
  repeat(LIVE, () => refreshGoods(life, skusOfBasket()), life);
  const search = h("form", { class: "search", role: "search", on: { submit: (event) => lookUp(event, filter, life) } },
    h("label", { for: "filter", class: "hidden" }, "Find goods"), filter);
  const refresh = workButton("Refresh", "Looking…", () => refreshByHand(life), { class: "quiet small" });
  return h("section", { class: "shelf", "aria-labelledby": "goods-title" },
    h("div", { class: "row between" }, h("h1", { id: "goods-title", tabindex: "-1" }, "Goods"), search),
    h("div", { class: "row between" }, seen, refresh),
    trouble.element, list, more);
}

/** The SKUs in the basket, which are looked at even when they are not listed. */
export function skusOfBasket() {
  return basket.value.lines.map((line) => line.sku);
}

async function refreshByHand(life) {
  await refreshGoods(life, skusOfBasket());
  if (!catalogue.value.problem) say("Stock and prices are up to date.");
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

function showCards(list, cards, typed) {
  const wanted = typed.trim().toLowerCase();
  const skus = catalogue.value.listed.filter((sku) => matches(sku, wanted));
  const exact = typed.trim();
  if (goodOf(exact) && !skus.includes(exact)) skus.push(exact);
  for (const sku of skus) {
    if (!cards.has(sku)) cards.set(sku, card(sku));
    cards.get(sku).show();
  }
  const elements = skus.map((sku) => cards.get(sku).element);
  if (elements.length === 0 && catalogue.value.at) elements.push(h("li", { class: "empty" }, nothing(wanted)));
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
  const stock = h("span", { class: "stock" });
  const title = h("h2", { class: "title" });
  const put = button("", () => addToBasket(sku), { class: "primary" });
  const element = h("li", { class: "product", "data-sku": sku },
    h("div", { class: `tile hue-${hue(sku)}`, "aria-hidden": "true" }, [...goodOf(sku).title][0].toUpperCase()),
    h("div", { class: "about" }, title, h("p", { class: "soft small sku" }, sku), stock),
    h("div", { class: "row between buy" }, price, put));
  return { element, show: () => showCard(goodOf(sku), { title, price, stock, put }) };
}

function showCard(good, { title, price, stock, put }) {
  setText(title, good.title);
  setText(price, yuan(good.price));
  setText(stock, stockWords(good));
  stock.classList.toggle("scarce", good.stock <= SCARCE);
  const inBasket = basket.value.lines.find((line) => line.sku === good.sku)?.quantity ?? 0;
  setText(put, good.stock === 0 ? "Sold out" : inBasket ? `Add (${inBasket.toLocaleString()})` : "Add");
  put.setAttribute("aria-label", good.stock === 0 ? `${good.title} is sold out` : `Add ${good.title} to the basket`);
  put.disabled = good.stock === 0 || attempt.value !== null;
}

function stockWords(good) {
  const left = good.stock === 0 ? "Sold out" : `${good.stock.toLocaleString()} in stock`;
  return good.limit === null ? left : `${left} · at most ${good.limit.toLocaleString()} for each buyer`;
}

function addToBasket(sku) {
  const good = goodOf(sku);
  if (add(good)) say(`${good.title} is in the basket.`);
  else say(`A basket holds at most ${MOST_LINES} different goods.`);
}

function hue(sku) {
  return [...sku].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7) % HUES;
}
