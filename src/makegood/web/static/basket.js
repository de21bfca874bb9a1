/** The basket of the user in this tab: what, how many, and at which price the buyer saw it. */

import { goodOf } from "./catalogue.js";
import { keep, kept } from "./keep.js";
import { session } from "./session.js";
import { signal } from "./signal.js";

/** Most different goods in a basket, and most pieces of one: the shop's own bounds. */
export const MOST_LINES = 500;
export const MOST_PIECES = 1_000_000;

const EMPTY = { lines: [], coupon_id: null, balance: 0 };

/** {lines: [{sku, quantity, unit_price}], coupon_id, balance}; `unit_price` is the one the buyer agreed to. */
export const basket = signal(EMPTY);

/** Takes up the basket of whoever is signed in now. */
export function openBasket() {
  basket.set((session.value && kept(name())) || EMPTY);
}

/** Puts pieces of something into the basket; false when nothing more fits. */
export function add(good, pieces = 1) {
  const line = basket.value.lines.find((one) => one.sku === good.sku);
  if (line) return setQuantity(good.sku, Math.min(line.quantity + pieces, MOST_PIECES));
  if (basket.value.lines.length >= MOST_LINES) return false;
  change({ lines: [...basket.value.lines, { sku: good.sku, quantity: pieces, unit_price: good.price }] });
  return true;
}

/** Sets how many; 0 takes it out. */
export function setQuantity(sku, quantity) {
  const lines = basket.value.lines.map((line) => (line.sku === sku ? { ...line, quantity } : line));
  change({ lines: lines.filter((line) => line.quantity > 0) });
  return true;
}

/** Which coupon to use (null: none). */
export function chooseCoupon(coupon_id) {
  change({ coupon_id });
}

/** How much balance to use, in fen. */
export function chooseBalance(balance) {
  change({ balance });
}

/** The buyer agrees to the prices of now. */
export function agreeToPrices() {
  const lines = basket.value.lines.map((line) => ({ ...line, unit_price: goodOf(line.sku)?.price ?? line.unit_price }));
  change({ lines });
}

/** Lines whose price is another now than the one the buyer agreed to. */
export function changedPrices() {
  return basket.value.lines.filter((line) => (goodOf(line.sku)?.price ?? line.unit_price) !== line.unit_price);
}

/** Empties it. */
export function emptyBasket() {
  change(EMPTY);
}

/** How many pieces are in it. */
export function pieces() {
  return basket.value.lines.reduce((sum, line) => sum + line.quantity, 0);
}

/** What its goods cost at the prices the buyer agreed to, in fen. */
export function goodsAmount() {
  return basket.value.lines.reduce((sum, line) => sum + line.quantity * line.unit_price, 0);
}

function change(what) {
  const next = { ...basket.value, ...what };
  keep(name(), next);
  basket.set(next);
}

function name() {
  return `basket.${session.value.user}`;
}
